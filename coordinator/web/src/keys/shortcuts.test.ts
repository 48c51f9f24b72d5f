import { expect, test } from "vitest";
import { actionOf, keyOf, SHORTCUTS } from "./shortcuts";

const press = { key: "m", ctrlKey: false, metaKey: false, altKey: false, repeat: false, writing: false };

test("a key does what the table says, in either case", () => {
  expect(actionOf(SHORTCUTS, press)).toBe("microphone");
  expect(actionOf(SHORTCUTS, { ...press, key: "M" })).toBe("microphone");
  expect(actionOf(SHORTCUTS, { ...press, key: "?" })).toBe("help");
  expect(actionOf(SHORTCUTS, { ...press, key: "x" })).toBeNull();
});

test("the space bar has a name", () => {
  const table = [{ key: "space", action: "play", words: "Play" }] as const;
  expect(actionOf(table, { ...press, key: " " })).toBe("play");
});

test("keys belong to whoever writes, and to the browser with its modifiers", () => {
  for (const but of [{ writing: true }, { ctrlKey: true }, { metaKey: true }, { altKey: true }, { repeat: true }])
    expect(actionOf(SHORTCUTS, { ...press, ...but })).toBeNull();
});

test("no key stands for two things", () => {
  expect(new Set(SHORTCUTS.map(({ key }) => key)).size).toBe(SHORTCUTS.length);
  for (const { action, key } of SHORTCUTS) expect(keyOf(action)).toBe(key);
});
