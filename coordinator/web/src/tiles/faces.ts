// The tiles of a room: one for every person, one for every shared screen.

import type { Person } from "../room/person";
import type { Candidate } from "./stage";

export interface Face extends Candidate {
  person: Person;
  /** What stands on the plate. */
  label: string;
  video: MediaStreamTrack | null;
}

export function facesOf(people: readonly Person[]): Face[] {
  return people.flatMap((person) => [camera(person), ...screen(person)]);
}

function camera(person: Person): Face {
  const { id: key, own, name, camera: video } = person;
  return { key, kind: own ? "self" : "person", own, person, label: own ? `${name} (you)` : name, video };
}

function screen(person: Person): Face[] {
  const { id, own, name, screen: video } = person;
  const label = own ? "Your screen" : `${name}’s screen`;
  return video ? [{ key: `${id}-screen`, kind: "screen", own, person, label, video }] : [];
}
