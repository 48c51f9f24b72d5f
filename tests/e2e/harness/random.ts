// Chance that can be repeated: the seed is printed, and `E2E_SEED` sets it.

export class Random {
  readonly seed: number;
  private state: number;

  constructor(seed = Number(process.env.E2E_SEED ?? Date.now() % 1_000_000)) {
    this.seed = seed;
    this.state = seed + 1;
  }

  /** Below `bound`. (Park and Miller's generator: good enough to shuffle people.) */
  below(bound: number): number {
    this.state = (this.state * 48_271) % 2_147_483_647;
    return this.state % bound;
  }

  pick<T>(items: T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }
}
