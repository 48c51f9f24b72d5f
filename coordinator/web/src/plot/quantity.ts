// Numbers with their units, as short as they can be read.

/** Units that take a prefix; the others come scaled already. */
const PREFIXED = new Set(["bit/s", "packets/s"]);
const PREFIXES = ["", "k", "M", "G", "T"] as const;

export function quantity(value: number, unit: string): string {
  const { number, prefix } = scaled(value, unit);
  return unit === "" ? number : `${number} ${prefix}${unit}`;
}

/** The same without its unit, for an axis that names the unit once. */
export function tick(value: number, unit: string): string {
  const { number, prefix } = scaled(value, unit);
  return `${number}${prefix && ` ${prefix}`}`;
}

function scaled(value: number, unit: string): { number: string; prefix: string } {
  let [rest, power] = [value, 0];
  while (PREFIXED.has(unit) && Math.abs(rest) >= 1_000 && power < PREFIXES.length - 1) {
    rest /= 1_000;
    power += 1;
  }
  const digits = Number.isInteger(rest) || Math.abs(rest) >= 100 ? 0 : 1;
  return { number: rest.toFixed(digits), prefix: PREFIXES[power] ?? "" };
}
