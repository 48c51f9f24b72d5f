import { expect, test } from "vitest";
import type { Person } from "../room/person";
import { facesOf } from "./faces";

test("everyone has a tile, and so has every shared screen", () => {
  const screen = {} as MediaStreamTrack;
  const ann = { id: "a", name: "Ann", own: true, camera: null, screen: null } as Person;
  const bob = { id: "b", name: "Bob", own: false, camera: null, screen } as Person;
  const faces = facesOf([ann, bob]).map(({ key, kind, label }) => ({ key, kind, label }));
  expect(faces).toEqual([
    { key: "a", kind: "self", label: "Ann (you)" },
    { key: "b", kind: "person", label: "Bob" },
    { key: "b-screen", kind: "screen", label: "Bob’s screen" },
  ]);
});
