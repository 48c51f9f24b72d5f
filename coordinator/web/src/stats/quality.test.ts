import { expect, test } from "vitest";
import { qualityOf } from "./quality";
import type { Reading } from "./reading";

const reading = (loss: number, rtt_ms: number | null) => ({ lossIn: loss, lossOut: 0, rtt_ms }) as Reading;

test("a connection that loses nothing is good, also before anything is known", () => {
  expect(qualityOf([])).toBe("good");
  expect(qualityOf([reading(0, null)])).toBe("good");
  expect(qualityOf([reading(1, 80)])).toBe("good");
});

test("loss and delay make it weak, more of them make it bad", () => {
  expect([reading(4, 0), reading(0, 300)].map((one) => qualityOf([one]))).toEqual(["fair", "fair"]);
  expect([reading(12, 0), reading(0, 900)].map((one) => qualityOf([one]))).toEqual(["poor", "poor"]);
});

test("one bad second among good ones is forgiven, and old ones are forgotten", () => {
  const good = reading(0, 40);
  expect(qualityOf([good, good, good, good, reading(12, 40)])).toBe("good");
  expect(qualityOf([reading(50, 40), good, good, good, good, good])).toBe("good");
});
