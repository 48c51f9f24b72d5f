// One call: the published client, the session's phase, and a view of who is there.

import { type AuthErrorReason, FishjamClient, type FishjamTrackContext, type Peer } from "@fishjam-cloud/ts-client";
import type { Ticket } from "./join";
import type { OwnMedia } from "./own-media";
import { Publication } from "./publication";

type PeerMetadata = { displayName: string };
type ServerMetadata = Record<string, unknown>;
type Client = FishjamClient<PeerMetadata, ServerMetadata>;

export type Phase = "joining" | "live" | "reconnecting" | "ended";

/** Another peer as the page shows it. */
export interface Person {
  id: string;
  name: string;
  /** `null` while the camera is off. */
  camera: MediaStreamTrack | null;
  microphone: MediaStreamTrack | null;
  muted: boolean;
  screens: { id: string; track: MediaStreamTrack }[];
}

export class Call extends EventTarget {
  phase: Phase = "joining";
  /** Why the call ended, in words for its person. */
  ending: string | null = null;

  private readonly client: Client;
  private readonly media: OwnMedia;
  private publication: Publication | null = null;

  constructor(ticket: Ticket, name: string, media: OwnMedia) {
    super();
    this.media = media;
    // Without `addTracksOnReconnect`: with it the client stays in its reconnecting state for ever when one of the
    // tracks is muted at that moment. The publication adds the tracks again instead.
    this.client = new FishjamClient({ reconnect: true });
    this.listen();
    // The events tell more than the promise, which rejects although the client goes on trying.
    this.client
      .connect({ url: ticket.url, token: ticket.peerToken, peerMetadata: { displayName: name } })
      .catch(() => undefined);
  }

  people(): Person[] {
    return Object.values(this.client.getRemotePeers()).map(person);
  }

  leave(): void {
    this.end(null);
  }

  private listen(): void {
    const changed = () => this.changed();
    const events = [
      "peerJoined",
      "peerLeft",
      "peerUpdated",
      "trackAdded",
      "trackReady",
      "trackRemoved",
      "trackUpdated",
    ];
    for (const event of events as "peerJoined"[]) this.client.on(event, changed);
    this.client.on("joined", () => this.joined());
    this.client.on("reconnectionStarted", () => this.broken());
    this.client.on("reconnectionRetriesLimitReached", () => this.end("The connection was lost."));
    this.client.on("authError", (reason) => this.end(dismissal(reason)));
    this.client.on("joinError", (reason) => this.end(rejection(reason)));
  }

  private joined(): void {
    this.publication?.stop();
    this.publication = new Publication(this.client, this.media);
    this.enter("live");
  }

  private broken(): void {
    this.publication?.stop();
    this.publication = null;
    this.enter("reconnecting");
  }

  private end(why: string | null): void {
    if (this.phase === "ended") return;
    this.publication?.stop();
    this.ending = why;
    this.enter("ended");
    this.client.cleanup();
    this.client.disconnect();
  }

  private enter(phase: Phase): void {
    if (this.phase === "ended") return;
    this.phase = phase;
    this.changed();
  }

  private changed(): void {
    this.dispatchEvent(new Event("change"));
  }
}

function person(peer: Peer<PeerMetadata, ServerMetadata>): Person {
  const tracks = [...peer.tracks.values()];
  const playing = (type: string) => tracks.find((track) => track.metadata?.type === type && !track.metadata.paused);
  const microphone = playing("microphone");
  return {
    id: peer.id,
    name: peer.metadata?.peer?.displayName || "Guest",
    camera: playing("camera")?.track ?? null,
    microphone: microphone?.track ?? null,
    muted: microphone === undefined,
    screens: tracks.flatMap(screen),
  };
}

function screen(context: FishjamTrackContext): Person["screens"] {
  if (context.metadata?.type !== "screenShareVideo" || !context.track) return [];
  return [{ id: context.trackId, track: context.track }];
}

function dismissal(reason: AuthErrorReason): string {
  switch (reason) {
    case "room not found":
      return "This room was closed.";
    case "peer not found":
      return "You were removed from this room.";
    case "expired token":
      return "Your place in this room has expired. Join again.";
    case "invalid token":
    case "missing token":
      // Also what the server says to the older of two windows with the same place.
      return "Your place was taken over by another window. Join again to return.";
  }
}

function rejection(reason: unknown): string {
  const text = typeof reason === "string" ? reason.toLowerCase() : "";
  if (text.includes("limit")) return "This room is full.";
  if (text.includes("room not found")) return "This room was closed.";
  return "The server could not let you in. Try again.";
}
