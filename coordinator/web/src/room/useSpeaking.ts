// Who speaks now, and who spoke last: by the server's ears for the others, by one's own microphone for oneself.

import { type PeerId, useVAD } from "@fishjam-cloud/react-client";
import { useEffect, useMemo, useRef, useState } from "react";
import { useMicLevel } from "../devices/useMicLevel";
import type { Person } from "./person";

/** Louder than breath and keys, on the meter's scale. */
const SPEECH_LEVEL = 0.35;
/** Pauses between words are shorter. */
const HANGOVER_MS = 600;

export interface Speaking {
  now: ReadonlySet<string>;
  /** The other person who began to speak last. */
  last: string | null;
}

export function useSpeaking(people: readonly Person[]): Speaking {
  const own = people.find((person) => person.own);
  const ids = people.filter((person) => !person.own && !person.muted).map(({ id }) => id);
  const key = ids.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new list with the same people must not look new
  const peerIds = useMemo(() => ids as PeerId[], [key]);
  const heard = useVAD({ peerIds });
  const ownSpeaks = useOwnVoice(own && !own.muted ? own.microphone : null);
  const speaking = ids.filter((id) => heard[id as PeerId]);
  const last = useLast(speaking);
  return { now: new Set(ownSpeaks && own ? [own.id, ...speaking] : speaking), last };
}

function useLast(speaking: readonly string[]): string | null {
  const before = useRef<readonly string[]>([]);
  const [last, setLast] = useState<string | null>(null);
  const key = speaking.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new list with the same people must not look new
  useEffect(() => {
    const began = speaking.find((id) => !before.current.includes(id));
    before.current = speaking;
    if (began) setLast(began);
  }, [key]);
  return last;
}

function useOwnVoice(track: MediaStreamTrack | null): boolean {
  const [speaks, setSpeaks] = useState(false);
  const lastHeard = useRef(Number.NEGATIVE_INFINITY);
  useMicLevel(track, (level) => {
    const now = performance.now();
    if (level > SPEECH_LEVEL) lastHeard.current = now;
    setSpeaks(track !== null && now - lastHeard.current < HANGOVER_MS);
  });
  return speaks;
}
