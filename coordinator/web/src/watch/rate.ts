// How many bits a second of the broadcast takes, from what was loaded last.

/** Seconds of the broadcast that are looked at: over key frames and what is between them. */
const WINDOW_S = 8;

interface Load {
  bytes: number;
  seconds: number;
}

/** Pictures and sound are loaded apart and count together. */
export class Rate {
  private readonly loads = new Map<string, Load[]>();

  add(kind: string, bytes: number, seconds: number): void {
    const loads = [...(this.loads.get(kind) ?? []), { bytes, seconds }];
    while (loads.length > 1 && total(loads.slice(1)).seconds >= WINDOW_S) loads.shift();
    this.loads.set(kind, loads);
  }

  /** `null` before anything was loaded. */
  get bps(): number | null {
    const kinds = [...this.loads.values()].map(total).filter(({ seconds }) => seconds > 0);
    if (kinds.length === 0) return null;
    return kinds.reduce((sum, { bytes, seconds }) => sum + (8 * bytes) / seconds, 0);
  }
}

function total(loads: readonly Load[]): Load {
  const add = (sum: Load, load: Load) => ({ bytes: sum.bytes + load.bytes, seconds: sum.seconds + load.seconds });
  return loads.reduce(add, { bytes: 0, seconds: 0 });
}
