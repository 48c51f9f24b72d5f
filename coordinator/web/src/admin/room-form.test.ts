import { expect, test } from "vitest";
import { EMPTY_ROOM, metadata, nameOf, roomConfig } from "./room-form";

test("an untouched form sends nothing, a filled one sends numbers as numbers", () => {
  expect(roomConfig(EMPTY_ROOM)).toEqual({});
  const filled = { ...EMPTY_ROOM, maxPeers: "12", videoCodec: "vp8", public: true, peerlessPurgeTimeout: "60" };
  expect(roomConfig(filled)).toEqual({ maxPeers: 12, videoCodec: "vp8", public: true, peerlessPurgeTimeout: 60 });
});

test("metadata is an object or nothing", () => {
  expect(metadata(" ")).toEqual({});
  expect(metadata('{"name":"Ann"}')).toEqual({ name: "Ann" });
  for (const text of ["[1]", "null", "{", "7"]) expect(metadata(text), text).toBeNull();
});

test("a peer is called by the name that its app gave it", () => {
  expect(nameOf({ metadata: { server: { name: "Ann" }, peer: { displayName: "A." } } })).toBe("Ann");
  expect(nameOf({ metadata: { server: {}, peer: { displayName: "A." } } })).toBe("A.");
  expect(nameOf({ metadata: { server: null, peer: { name: 7 } } })).toBeNull();
});
