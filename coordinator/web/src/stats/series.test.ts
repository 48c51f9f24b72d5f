import { expect, test } from "vitest";
import type { Reading } from "./reading";
import { kept, line } from "./series";

const reading = (at: number, rtt_ms: number | null = at) => ({ at, rtt_ms }) as Reading;

test("five minutes are kept, the oldest second goes", () => {
  let readings: Reading[] = [];
  for (let at = 0; at < 400; at++) readings = kept(readings, reading(at));
  expect(readings).toHaveLength(300);
  expect(readings[0]?.at).toBe(100);
});

test("a line has no point where nothing was measured", () => {
  expect(line([reading(1), reading(2, null), reading(3)], ({ rtt_ms }) => rtt_ms)).toEqual([
    [1, 1],
    [3, 3],
  ]);
});
