import { expect, test } from "vitest";
import { broadcastOfPath, inventRoom, pathOfRoom, roomName, roomOfPath } from "./room-link";

test("a link names its room", () => {
  expect(roomOfPath("/r/calm-bay")).toBe("calm-bay");
  expect(roomOfPath(pathOfRoom("café"))).toBe("café");
});

test("an address without a room names none", () => {
  for (const path of ["/", "/r/", "/r/%20", "/rooms/x"]) expect(roomOfPath(path)).toBeNull();
});

test("a broadcast is named by the id of its room, as it stands", () => {
  expect(broadcastOfPath("/watch/demo-Yard")).toBe("demo-Yard");
  expect(broadcastOfPath("/watch/demo-yard/")).toBe("demo-yard");
  for (const path of ["/", "/watch", "/watch/", "/watch//", "/r/watch"]) expect(broadcastOfPath(path)).toBeNull();
});

test("a broken escape in an address is taken as it stands", () => {
  expect(roomOfPath("/r/%E0%A4%A")).toBe("e0-a4-a");
});

test("what someone types becomes a name that a room may have", () => {
  expect(roomName("  Team Stand-up! ")).toBe("team-stand-up");
  expect(roomName("a_b")).toBe("a_b");
  expect(roomName("Café Übung")).toBe("café-übung");
  expect(roomName(" !? ")).toBeNull();
  expect(roomName("x".repeat(200))).toHaveLength(64);
});

test("an invented room survives its own link", () => {
  for (const random of [() => 0, () => 0.5, () => 0.999]) {
    const room = inventRoom(random);
    expect(roomOfPath(pathOfRoom(room))).toBe(room);
  }
});
