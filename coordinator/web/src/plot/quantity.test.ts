import { expect, test } from "vitest";
import { quantity, tick } from "./quantity";

test("large rates take a prefix, and the rest is left as it is scaled", () => {
  expect(quantity(12_340_000, "bit/s")).toBe("12.3 Mbit/s");
  expect(quantity(999, "packets/s")).toBe("999 packets/s");
  expect(quantity(2_500, "kbit/s")).toBe("2500 kbit/s");
  expect(quantity(12, "")).toBe("12");
  expect(quantity(0.25, "%")).toBe("0.3 %");
});

test("an axis leaves the unit to its title", () => {
  expect(tick(2_000_000, "bit/s")).toBe("2 M");
  expect(tick(50, "%")).toBe("50");
});
