import { expect, test } from "vitest";
import { nextTheme, storedTheme } from "./theme";

test("the switch goes round", () => {
  expect(["system", "light", "dark"].map((theme) => nextTheme(theme as "system"))).toEqual(["light", "dark", "system"]);
});

test("what the storage holds is a theme or nothing", () => {
  const stored = (value: string | null) => storedTheme({ getItem: () => value });
  expect(stored("dark")).toBe("dark");
  expect(stored("purple")).toBe("system");
  expect(stored(null)).toBe("system");
});
