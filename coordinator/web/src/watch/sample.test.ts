import { expect, test } from "vitest";
import { factsOf, isLive, latency_s, type Sample } from "./sample";

const sample: Sample = {
  now_ms: 1_000_000,
  shownAt_ms: 998_100,
  behindEdge_s: 1.6,
  target_s: 1.5,
  ahead_s: 1.24,
  isInGap: false,
  received_bps: 2_340_000,
  frames: { shown: 990, dropped: 10 },
};

test("latency is the age of what is shown", () => {
  expect(latency_s(sample)).toBeCloseTo(1.9);
});

test("a viewer's clock that cannot be right is not believed", () => {
  for (const shownAt_ms of [1_060_000, 900_000, null]) expect(latency_s({ ...sample, shownAt_ms })).toBe(1.6);
  expect(latency_s({ ...sample, shownAt_ms: null, behindEdge_s: null })).toBeNull();
  expect(latency_s({ ...sample, behindEdge_s: null })).toBeCloseTo(1.9);
});

test("what is far from where it should be is not live", () => {
  expect(isLive(sample)).toBe(true);
  expect(isLive({ ...sample, behindEdge_s: 9 })).toBe(false);
  expect(isLive({ ...sample, behindEdge_s: 13, target_s: 12 }), "a stream without parts").toBe(true);
  expect(isLive({ ...sample, behindEdge_s: null })).toBe(true);
});

test("facts are short, and dashes before anything is known", () => {
  expect(factsOf(sample).map(({ value }) => value)).toEqual(["1.9 s", "1.2 s", "2.3 Mbit/s", "10 (1.0 %)"]);
  expect(new Set(factsOf(null).map(({ value }) => value))).toEqual(new Set(["–"]));
});
