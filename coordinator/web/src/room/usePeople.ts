// Everyone in the room, oneself first, and what one says about oneself.

import { usePeers, useUpdatePeerMetadata } from "@fishjam-cloud/react-client";
import { useEffect, useRef } from "react";
import type { Devices } from "../devices/useDevices";
import { notify } from "../ui/notices";
import type { Ticket } from "../visit/join";
import { news, type PeerMetadata, type Person, personOf, type ServerMetadata } from "./person";

interface Own {
  ticket: Ticket;
  metadata: PeerMetadata;
  devices: Devices;
  screen: MediaStreamTrack | null;
}

export function usePeople({ ticket, metadata, devices, screen }: Own): Person[] {
  const { remotePeers } = usePeers<PeerMetadata, ServerMetadata>();
  const { camera, microphone } = devices;
  const own: Person = {
    id: ticket.peer || "self",
    name: metadata.displayName,
    own: true,
    moderator: ticket.moderator,
    hand: metadata.hand,
    muted: !microphone.on,
    camera: camera.track,
    microphone: microphone.track,
    screen,
    screenSound: null,
  };
  return [own, ...remotePeers.map(personOf)];
}

/** Tells the others what changed about oneself, and again after every reconnect, where the client forgets it. */
export function useOwnMetadata(metadata: PeerMetadata, live: boolean): void {
  const { updatePeerMetadata } = useUpdatePeerMetadata();
  const { displayName, hand } = metadata;
  const told = useRef<number | null>(null);
  useEffect(() => {
    if (!live) return;
    // Joining says the name, with the hand down.
    if (hand !== null || told.current !== null) updatePeerMetadata({ displayName, hand });
    told.current = hand;
  }, [live, displayName, hand, updatePeerMetadata]);
}

/** Says who comes, who goes, and whose hand goes up. */
export function useArrivals(people: readonly Person[], live: boolean): void {
  const before = useRef<Map<string, Person> | null>(null);
  useEffect(() => {
    const now = new Map(people.filter(({ own }) => !own).map((person) => [person.id, person]));
    // Whoever is here when one arrives, or after a reconnect, is no news.
    if (live && before.current) for (const sentence of news(before.current, now)) notify(sentence);
    before.current = live ? now : null;
  }, [people, live]);
}
