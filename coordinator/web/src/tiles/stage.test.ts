import { expect, test } from "vitest";
import { type Candidate, FIRST_VIEW, screenAppeared, stageOf, toggleLayout, togglePin } from "./stage";

const ANN: Candidate = { key: "ann", kind: "self", own: true };
const BOB: Candidate = { key: "bob", kind: "person", own: false };
const CEM: Candidate = { key: "cem", kind: "person", own: false };
const SCREEN: Candidate = { key: "cem-screen", kind: "screen", own: false };
const SPEAKER = toggleLayout(false);

test("people who talk are a grid until somebody shares a screen", () => {
  expect(stageOf(FIRST_VIEW, [ANN, BOB], "bob")).toBeNull();
  expect(stageOf(FIRST_VIEW, [ANN, BOB, CEM, SCREEN], "bob")).toBe("cem-screen");
});

test("one's own screen needs no stage", () => {
  expect(stageOf(FIRST_VIEW, [ANN, { ...SCREEN, own: true }], null)).toBeNull();
});

test("the speaker layout follows who speaks, and never oneself while others are here", () => {
  expect(stageOf(SPEAKER, [ANN, BOB, CEM], "cem")).toBe("cem");
  expect(stageOf(SPEAKER, [ANN, BOB, CEM], "ann")).toBe("bob");
  expect(stageOf(SPEAKER, [ANN, BOB, CEM], "gone")).toBe("bob");
  expect(stageOf(SPEAKER, [ANN], null)).toBe("ann");
});

test("a pin wins until it is taken away or its person leaves", () => {
  const pinned = togglePin(SPEAKER, "bob");
  expect(stageOf(pinned, [ANN, BOB, CEM, SCREEN], "cem")).toBe("bob");
  expect(stageOf(pinned, [ANN, CEM, SCREEN], "cem")).toBe("cem-screen");
  expect(togglePin(pinned, "bob").pinned).toBeNull();
});

test("going back to the grid lets go of the pin; a new screen comes forward all the same", () => {
  const grid = toggleLayout(true);
  expect(stageOf(grid, [ANN, BOB, SCREEN], null)).toBeNull();
  expect(stageOf(screenAppeared(grid), [ANN, BOB, SCREEN], null)).toBe("cem-screen");
  expect(screenAppeared(SPEAKER)).toBe(SPEAKER);
});
