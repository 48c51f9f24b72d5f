import { expect, test } from "vitest";
import { hueOf, initials, news, type Person, personOf, type RemotePeer, raisedHands } from "./person";

test("a peer that says nothing about itself is a muted guest without a picture", () => {
  const bare = { id: "p", tracks: [], customVideoTracks: [], customAudioTracks: [] } as unknown as RemotePeer;
  expect(personOf(bare)).toMatchObject({ name: "Guest", muted: true, camera: null, hand: null, moderator: false });
});

test("a paused track is a device that is off", () => {
  const track = {} as MediaStreamTrack;
  const peer = (paused: boolean) =>
    ({
      id: "p",
      metadata: { peer: { displayName: " Ann ", hand: 7 }, server: { role: "moderator" } },
      cameraTrack: { track, metadata: { type: "camera", paused } },
      microphoneTrack: { track, metadata: { type: "microphone", paused } },
      customVideoTracks: [],
    }) as unknown as RemotePeer;
  expect(personOf(peer(false))).toMatchObject({ name: "Ann", hand: 7, moderator: true, muted: false, camera: track });
  expect(personOf(peer(true))).toMatchObject({ muted: true, camera: null, microphone: null });
});

test("nobody becomes a moderator by saying so", () => {
  const peer = { id: "p", metadata: { peer: { role: "moderator" }, server: {} }, customVideoTracks: [] };
  expect(personOf(peer as unknown as RemotePeer).moderator).toBe(false);
});

test("hands are in the order in which they went up", () => {
  const person = (id: string, hand: number | null) => ({ id, hand }) as Person;
  const hands = raisedHands([person("late", 9), person("none", null), person("early", 3)]);
  expect(hands.map(({ id }) => id)).toEqual(["early", "late"]);
});

test("who comes, who goes and whose hand goes up is news; a hand that goes down is not", () => {
  const look = (...people: [string, number | null][]) =>
    new Map(people.map(([name, hand]) => [name, { name, hand } as Person]));
  expect(news(look(["Ann", null], ["Bob", 5]), look(["Ann", 7], ["Bob", null], ["Cem", null]))).toEqual([
    "Ann raised a hand",
    "Cem joined",
  ]);
  expect(news(look(["Ann", null]), look())).toEqual(["Ann left"]);
});

test("initials come from the first and the last word", () => {
  expect(["Ann", "ann lee", "Ann Maria Lee", "  ", "éa"].map(initials)).toEqual(["A", "AL", "AL", "", "É"]);
});

test("a colour stays with its person", () => {
  expect(hueOf("a")).toBe(hueOf("a"));
  expect(hueOf("some peer") % 30).toBe(0);
});
