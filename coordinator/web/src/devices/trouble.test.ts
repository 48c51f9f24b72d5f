import { expect, test } from "vitest";
import { explain, troubleOf } from "./trouble";

test("no trouble needs no words", () => {
  expect(explain(new Map())).toBe("");
});

test("devices with the same trouble share a sentence", () => {
  const both = new Map([
    ["microphone", "denied"],
    ["camera", "denied"],
  ] as const);
  expect(explain(both)).toBe("The browser may not use your microphone or camera: allow it in the address bar.");
});

test("each trouble has its own sentence", () => {
  const two = new Map([
    ["microphone", "busy"],
    ["camera", "missing"],
  ] as const);
  expect(explain(two)).toBe("Another program holds your microphone. No camera was found.");
});

test("a device that does not exist is missing, whatever the client calls it", () => {
  expect(troubleOf("NotAllowedError", false)).toBe("missing");
  expect(troubleOf("NotAllowedError", true)).toBe("denied");
  expect(troubleOf("UNHANDLED_ERROR", true)).toBe("busy");
});
