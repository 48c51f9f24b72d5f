import { expect, test } from "vitest";
import { AWAY_MS_MAX, advance, FIRST, type Happening, isAsking, isOpen, type Player } from "./phase";

test("a page that is opened early waits, starts and plays", () => {
  expect(after("absent", "absent").phase).toBe("waiting");
  expect(after("absent", "found").phase).toBe("starting");
  expect(after("absent", "found", "plays")).toEqual({ phase: "playing", lost_ms: null });
});

test("a stall is one only of what played", () => {
  expect(after("found", "stalls").phase).toBe("starting");
  expect(after("found", "plays", "stalls").phase).toBe("stalled");
  expect(after("found", "plays", "pauses", "stalls").phase).toBe("paused");
  expect(after("found", "plays", "stalls", "plays").phase).toBe("playing");
});

test("a server that cannot be reached is asked again, and is no news of the broadcast", () => {
  expect(after("unreachable").phase).toBe("lost");
  expect(after("unreachable", "absent").phase).toBe("waiting");
  expect(after("unreachable", "found").phase).toBe("starting");
});

test("a broadcast that went away comes back, or is over after a while", () => {
  const lost = advance(after("found", "plays"), "disconnects", 1_000);
  expect(lost).toEqual({ phase: "lost", lost_ms: 1_000 });
  expect(advance(lost, "absent", 1_000 + AWAY_MS_MAX - 1).phase).toBe("lost");
  expect(advance(lost, "absent", 1_000 + AWAY_MS_MAX).phase).toBe("over");
  expect(advance(lost, "unreachable", 1_000 + AWAY_MS_MAX)).toEqual(lost);
  expect(advance(lost, "found", 2_000).phase).toBe("starting");
});

test("a broadcast that is found and lost again without a picture has been away all the time", () => {
  let player = advance(after("found", "plays"), "disconnects", 1_000);
  for (const happening of ["found", "disconnects"] as const) player = advance(player, happening, 9_000);
  expect(player.lost_ms).toBe(1_000);
});

test("what ended stays so until the viewer asks again", () => {
  const endings = { ends: "over", breaks: "broken", cannot: "unsupported" } as const;
  for (const [happening, phase] of Object.entries(endings)) {
    const ended = after("found", "plays", happening as Happening);
    expect(ended.phase).toBe(phase);
    expect(isAsking(ended) || isOpen(ended)).toBe(false);
    expect(advance(ended, "plays", 0)).toBe(ended);
    expect(advance(ended, "again", 0)).toEqual(FIRST);
  }
  expect(after("refused").phase).toBe("refused");
});

test("what is not loaded cannot play, and what is loaded is not asked for", () => {
  expect(after("plays")).toBe(FIRST);
  expect(after("found", "plays", "absent").phase).toBe("playing");
});

function after(...happenings: Happening[]): Player {
  return happenings.reduce((player, happening) => advance(player, happening, 0), FIRST);
}
