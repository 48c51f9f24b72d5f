// The shape of the last quarter of an hour in the height of a line of text. Its plot is one click away.

interface Props {
  values: readonly (number | null)[];
  /** What is drawn at full height. */
  most: number;
}

const [WIDTH, HEIGHT] = [120, 24];

export function Sparkline({ values, most }: Props) {
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={shape(values, most)} />
    </svg>
  );
}

/** Pieces of a line; nothing is drawn where nothing was measured. */
export function shape(values: readonly (number | null)[], most: number): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  let drawing = false;
  return values
    .flatMap((value, index) => {
      const verb = drawing ? "L" : "M";
      drawing = value !== null;
      if (value === null) return [];
      const y = HEIGHT - 1 - (Math.min(value, most) / most) * (HEIGHT - 2);
      return [`${verb}${(index * step).toFixed(1)} ${y.toFixed(1)}`];
    })
    .join("");
}
