import { expect, test } from "vitest";
import { shape } from "./Sparkline";

test("the line ends where nobody was heard and begins again after it", () => {
  expect(shape([0, null, 1000], 1000)).toBe("M0.0 23.0M120.0 1.0");
  expect(shape([500, 2000], 1000)).toBe("M0.0 12.0L120.0 1.0");
  expect(shape([], 1000)).toBe("");
});
