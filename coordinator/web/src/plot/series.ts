// What a plot draws: named lines over time, and what they say in words and as a table.

import { quantity } from "./quantity";

/** A moment and what was measured then; `null` interrupts the line. */
export type Point = readonly [at_ms: number, value: number | null];

export interface Series {
  name: string;
  points: readonly Point[];
}

/** As the drawing library wants it: all moments, then a column for each line. `undefined` is drawn over, `null` is a gap. */
export type Columns = [number[], ...(number | null | undefined)[][]];

export function columns(series: readonly Series[]): Columns {
  const moments = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const column = ({ points }: Series) => {
    const values = new Map(points);
    return moments.map((at) => values.get(at));
  };
  return [moments, ...series.map(column)];
}

/** For those who do not see the lines. */
export function inWords(series: readonly Series[], unit: string): string {
  if (series.length === 0) return "Nothing to show.";
  return series.map((one) => sentence(one, unit)).join(" ");
}

export function latest({ points }: Series): number | null {
  return points.at(-1)?.[1] ?? null;
}

/** Every n-th moment, the last one included, so that a table stays readable. */
export function thinned([moments, ...lines]: Columns, rowsMax: number): { at: number; values: (number | null)[] }[] {
  const step = Math.max(1, Math.ceil(moments.length / rowsMax));
  const rows = moments.map((at, row) => ({ at, values: lines.map((line) => line[row] ?? null) }));
  return rows.filter((_, row) => (moments.length - 1 - row) % step === 0).reverse();
}

function sentence(series: Series, unit: string): string {
  const values = series.points.flatMap(([, value]) => (value === null ? [] : [value]));
  if (values.length === 0) return `${series.name}: nothing measured yet.`;
  const [least, most] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const last = latest(series);
  const now = last === null ? "nothing now" : `${quantity(last, unit)} now`;
  return `${series.name}: ${now}, between ${quantity(least, unit)} and ${quantity(most, unit)}.`;
}
