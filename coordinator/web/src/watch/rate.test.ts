import { expect, test } from "vitest";
import { Rate } from "./rate";

test("pictures and sound count together", () => {
  const rate = new Rate();
  expect(rate.bps).toBeNull();
  rate.add("main", 125_000, 0.5);
  expect(rate.bps).toBe(2_000_000);
  rate.add("audio", 8_000, 0.5);
  expect(rate.bps).toBe(2_128_000);
});

test("what was loaded long ago does not count", () => {
  const rate = new Rate();
  rate.add("main", 1_000_000, 4);
  for (let part = 0; part < 16; part += 1) rate.add("main", 12_500, 0.5);
  expect(rate.bps).toBe(200_000);
});
