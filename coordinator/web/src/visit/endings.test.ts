import { expect, test } from "vitest";
import { dismissal, rejection, removal } from "./endings";

test("every reason of the server has its words", () => {
  expect(dismissal("room not found").words).toContain("closed");
  expect(dismissal("peer not found").title).toContain("removed");
  expect(dismissal("invalid token").words).toContain("another window");
  expect(rejection("Reached peers limit in room x").words).toBe("This room is full.");
  expect(rejection({ message: "odd" }).words).toContain("Try again");
});

test("who is removed learns why, if somebody said why", () => {
  const title = "You were removed from this room";
  expect(removal("Peer removed")).toEqual({ title, words: "Nobody said why." });
  expect(removal("Peer removed: off topic")).toEqual({ title, words: "Off topic." });
  expect(removal("Peer removed: Enough!")).toEqual({ title, words: "Enough!" });
  expect(removal("Internal server error")).toBeNull();
});
