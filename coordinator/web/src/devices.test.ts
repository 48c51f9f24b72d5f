import { expect, test } from "vitest";
import { explain } from "./devices";

test("no trouble needs no words", () => {
  expect(explain(new Map())).toBe("");
});

test("devices with the same trouble share a sentence", () => {
  const both = new Map([
    ["microphone", "denied"],
    ["camera", "denied"],
  ] as const);
  expect(explain(both)).toBe("The browser may not use your microphone or camera. You can join all the same.");
});

test("each trouble has its own sentence", () => {
  const two = new Map([
    ["microphone", "busy"],
    ["camera", "missing"],
  ] as const);
  expect(explain(two)).toBe("Another program holds your microphone. No camera was found. You can join all the same.");
});
