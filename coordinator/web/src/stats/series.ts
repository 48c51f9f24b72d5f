// The readings of the last minutes, and the lines that plots draw of them.

import type { Reading } from "./reading";

/** One reading a second: five minutes. */
const READINGS_MAX = 300;

export function kept(readings: readonly Reading[], reading: Reading): Reading[] {
  return [...readings.slice(1 - READINGS_MAX), reading];
}

export type Point = [at_ms: number, value: number];

export function line(readings: readonly Reading[], value: (reading: Reading) => number | null): Point[] {
  return readings.flatMap((reading) => {
    const at = value(reading);
    return at === null ? [] : [[reading.at, at] satisfies Point];
  });
}
