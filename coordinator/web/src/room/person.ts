// The people of a room as the page shows them: what the client knows about peers, in the page's words.

import type { PeerWithTracks, Track } from "@fishjam-cloud/react-client";

/** What everyone says about themselves. */
export interface PeerMetadata {
  displayName: string;
  /** When the hand went up, by the clock of its person; `null` while it is down. */
  hand: number | null;
}

/** What the server says about somebody; nobody can say it about themselves. */
export interface ServerMetadata {
  name?: string;
  role?: string;
}

export type RemotePeer = PeerWithTracks<PeerMetadata, ServerMetadata>;

export interface Person {
  id: string;
  name: string;
  own: boolean;
  moderator: boolean;
  hand: number | null;
  muted: boolean;
  /** `null` while the camera is off. */
  camera: MediaStreamTrack | null;
  microphone: MediaStreamTrack | null;
  screen: MediaStreamTrack | null;
  screenSound: MediaStreamTrack | null;
}

export function personOf(peer: RemotePeer): Person {
  const { id, metadata } = peer;
  const said: Partial<PeerMetadata> = metadata?.peer ?? {};
  const microphone = playing(peer.microphoneTrack);
  return {
    id,
    name: nameOf(said.displayName ?? metadata?.server?.name),
    own: false,
    moderator: metadata?.server?.role === "moderator",
    hand: typeof said.hand === "number" ? said.hand : null,
    muted: !peer.microphoneTrack || peer.microphoneTrack.metadata?.paused === true,
    camera: playing(peer.cameraTrack ?? peer.customVideoTracks[0]),
    microphone,
    screen: playing(peer.screenShareVideoTrack),
    screenSound: playing(peer.screenShareAudioTrack),
  };
}

/** Raised hands in the order in which they went up. */
export function raisedHands(people: readonly Person[]): Person[] {
  return people.filter(({ hand }) => hand !== null).sort((one, other) => (one.hand ?? 0) - (other.hand ?? 0));
}

/** What changed between two looks at the others, in sentences. */
export function news(then: ReadonlyMap<string, Person>, now: ReadonlyMap<string, Person>): string[] {
  const arrivals = [...now].flatMap(([id, { name, hand }]) => {
    const known = then.get(id);
    if (!known) return [`${name} joined`];
    return known.hand === null && hand !== null ? [`${name} raised a hand`] : [];
  });
  const departures = [...then].filter(([id]) => !now.has(id)).map(([, { name }]) => `${name} left`);
  return [...arrivals, ...departures];
}

export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("");
}

const HUES = 12;

/** A colour that stays with its person, in degrees. */
export function hueOf(id: string): number {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.charCodeAt(0)) % HUES;
  return sum * (360 / HUES);
}

function playing(track: Track | undefined): MediaStreamTrack | null {
  return track && track.metadata?.paused !== true ? track.track : null;
}

function nameOf(said: unknown): string {
  return typeof said === "string" && said.trim() !== "" ? said.trim() : "Guest";
}
