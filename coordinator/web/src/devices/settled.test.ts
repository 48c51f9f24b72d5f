import { expect, test } from "vitest";
import { isSettled } from "./settled";

const peer = (...tracks: object[]) => ({ id: "ann", tracks: new Map(tracks.map((track, at) => [String(at), track])) });
const microphone = (negotiationStatus: string) => ({ metadata: { type: "microphone" }, negotiationStatus });

test("nothing is waited for without a call", () => {
  expect(isSettled(null, "microphone")).toBe(true);
  expect(isSettled({ id: "", tracks: new Map() }, "microphone")).toBe(true);
});

test("in a call, an open device is waited for until its own negotiation has ended", () => {
  expect(isSettled(peer(), "microphone")).toBe(false);
  expect(isSettled(peer(microphone("awaiting")), "microphone")).toBe(false);
  expect(isSettled(peer(microphone("offered")), "microphone")).toBe(false);
  expect(isSettled(peer(microphone("done")), "microphone")).toBe(true);
  expect(isSettled(peer(microphone("done")), "camera")).toBe(false);
});
