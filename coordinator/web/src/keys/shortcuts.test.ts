import { expect, test } from "vitest";
import { actionOf, keyOf, SHORTCUTS } from "./shortcuts";

const press = { key: "m", ctrlKey: false, metaKey: false, altKey: false, repeat: false, writing: false };

test("a key does what the table says, in either case", () => {
  expect(actionOf(press)).toBe("microphone");
  expect(actionOf({ ...press, key: "M" })).toBe("microphone");
  expect(actionOf({ ...press, key: "?" })).toBe("help");
  expect(actionOf({ ...press, key: "x" })).toBeNull();
});

test("keys belong to whoever writes, and to the browser with its modifiers", () => {
  for (const but of [{ writing: true }, { ctrlKey: true }, { metaKey: true }, { altKey: true }, { repeat: true }])
    expect(actionOf({ ...press, ...but })).toBeNull();
});

test("no key stands for two things", () => {
  expect(new Set(SHORTCUTS.map(({ key }) => key)).size).toBe(SHORTCUTS.length);
  for (const { action, key } of SHORTCUTS) expect(keyOf(action)).toBe(key);
});
