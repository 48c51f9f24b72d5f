import { expect, test } from "vitest";
import { columns, inWords, latest, thinned } from "./series";

const load = {
  name: "w1",
  points: [
    [1_000, 10],
    [2_000, 30],
  ] as const,
};

test("lines measured at different moments share one row of moments", () => {
  const other = { name: "w2", points: [[1_500, 5] as const] };
  expect(columns([load, other])).toEqual([
    [1_000, 1_500, 2_000],
    [10, undefined, 30],
    [undefined, 5, undefined],
  ]);
});

test("an interruption stays an interruption, unlike a moment of somebody else", () => {
  const broken = {
    name: "w2",
    points: [
      [1_000, 1],
      [2_000, null],
    ] as const,
  };
  expect(columns([load, broken])[2]).toEqual([1, null]);
  expect(latest(broken)).toBeNull();
});

test("who does not see the lines is told the present, the least and the most", () => {
  expect(inWords([load], "%")).toBe("w1: 30 % now, between 10 % and 30 %.");
  expect(inWords([{ name: "w1", points: [] }], "%")).toBe("w1: nothing measured yet.");
  expect(inWords([], "%")).toBe("Nothing to show.");
});

test("the table has the newest first and not more rows than can be read", () => {
  const points = Array.from({ length: 31 }, (_, at) => [at, at * 2] as const);
  const rows = thinned(columns([{ name: "x", points }]), 10);
  expect(rows.length).toBeLessThanOrEqual(10);
  expect(rows[0]).toEqual({ at: 30, values: [60] });
});
