// When the client can follow a switch. It calls a track published as soon as any negotiation has ended, also one that the
// track had no part in; what is exchanged before the track's own has ended is lost.

import type { FishjamClient } from "@fishjam-cloud/ts-client";
import type { Device } from "./trouble";

const POLL_MS = 30;
/** Then the switch is tried all the same: better late than never. */
const PATIENCE_MS = 3_000;

/** Waits until a device that is open is published, if there is a call. */
export async function settled(client: FishjamClient, device: Device, track: MediaStreamTrack | null): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (track && !isSettled(client.getLocalPeer(), device) && performance.now() < deadline) {
    await new Promise((next) => setTimeout(next, POLL_MS));
  }
}

/** As much of the client's own peer as is read here. */
interface Peer {
  id: string;
  tracks: ReadonlyMap<string, object>;
}

/** `null`, and a peer without an id, are nobody's in a call. */
export function isSettled(peer: Peer | null, device: Device): boolean {
  if (!peer?.id) return true;
  const tracks: { metadata?: unknown; negotiationStatus?: unknown }[] = [...peer.tracks.values()];
  const own = tracks.filter(({ metadata }) => (metadata as { type?: unknown } | undefined)?.type === device);
  return own.length > 0 && own.every(({ negotiationStatus }) => negotiationStatus === "done");
}
