import { expect, test } from "vitest";
import { dismissal, rejection, removal } from "./endings";

test("every reason of the server has its words", () => {
  expect(dismissal("room not found")).toContain("closed");
  expect(dismissal("peer not found")).toContain("removed");
  expect(dismissal("invalid token")).toContain("another window");
  expect(rejection("Reached peers limit in room x")).toBe("This room is full.");
  expect(rejection({ message: "odd" })).toContain("Try again");
});

test("who is removed learns why, if somebody said why", () => {
  expect(removal("Peer removed")).toBe("You were removed from this room.");
  expect(removal("Peer removed: off topic")).toBe("You were removed from this room: off topic");
  expect(removal("Internal server error")).toBeNull();
});
