import { expect, test } from "vitest";
import type { Phase } from "./phase";
import type { Sample } from "./sample";
import { badgeOf, wordsOf } from "./words";

const PHASES: Phase[] = ["waiting", "starting", "playing", "paused", "stalled", "lost"];
const ENDINGS: Phase[] = ["over", "unsupported", "refused", "broken"];

test("every phase without a picture has a sentence", () => {
  const silent = [...PHASES, ...ENDINGS].filter((phase) => wordsOf(phase) === null);
  expect(silent).toEqual(["playing", "paused"]);
});

test("a button is there only where pressing it may help", () => {
  const able = [...PHASES, ...ENDINGS].filter((phase) => wordsOf(phase)?.deed);
  expect(able).toEqual(["over", "broken"]);
});

test("the badge says live only of what is", () => {
  const at = (behindEdge_s: number) => ({ behindEdge_s, target_s: 1.5 }) as Sample;
  expect(badgeOf("playing", at(1.6))).toBe("live");
  expect(badgeOf("playing", at(30))).toBe("behind");
  expect(badgeOf("paused", at(1.6))).toBe("paused");
  for (const phase of ["waiting", "lost", ...ENDINGS] as const) expect(badgeOf(phase, null)).toBe("off");
});
