// What a page receives: the client's remote tracks, each with the browser's own numbers about it.

import type { FishjamClient } from "@fishjam-cloud/ts-client";
import { connection } from "./watch";

export interface RemoteTrack {
  id: string;
  peer: string;
  type: string | undefined;
  paused: boolean | undefined;
  /** The client has handed out its media track. */
  ready: boolean;
  kind: string | undefined;
  /** Kinds of the tracks in the media stream that the client hands out with it. */
  stream: string[];
  /** Whether a player of that stream would play this very track. */
  leadsStream: boolean;
  voice: string;
  codec: string | undefined;
  framesDecoded: number;
  frameWidth: number;
  frameHeight: number;
  freezeCount: number;
  frozenS: number;
  audioEnergy: number;
  packetsReceived: number;
  packetsLost: number;
}

/** The parts of `RTCInboundRtpStreamStats` that are read here. */
interface Inbound {
  type: string;
  trackIdentifier?: string;
  codecId?: string;
  framesDecoded?: number;
  frameWidth?: number;
  frameHeight?: number;
  freezeCount?: number;
  totalFreezesDuration?: number;
  totalAudioEnergy?: number;
  packetsReceived?: number;
  packetsLost?: number;
}

export async function remoteTracks(client: FishjamClient): Promise<RemoteTrack[]> {
  const report = await connection()?.getStats();
  const inbound = new Map<string, Inbound>();
  for (const stats of (report?.values() ?? []) as Iterable<Inbound>) {
    if (stats.type === "inbound-rtp" && stats.trackIdentifier) inbound.set(stats.trackIdentifier, stats);
  }
  return Object.values(client.getRemoteTracks()).map((context) => {
    const stats = inbound.get(context.track?.id ?? "");
    const stream = context.stream?.getTracks() ?? [];
    return {
      id: context.trackId,
      peer: context.endpoint.id,
      type: context.metadata?.type,
      paused: context.metadata?.paused,
      ready: context.track !== null,
      kind: context.track?.kind,
      stream: stream.map(({ kind }) => kind).sort(),
      leadsStream: stream.find(({ kind }) => kind === context.track?.kind) === context.track,
      voice: context.vadStatus,
      codec: report?.get(stats?.codecId ?? "")?.mimeType,
      framesDecoded: stats?.framesDecoded ?? 0,
      frameWidth: stats?.frameWidth ?? 0,
      frameHeight: stats?.frameHeight ?? 0,
      freezeCount: stats?.freezeCount ?? 0,
      frozenS: stats?.totalFreezesDuration ?? 0,
      audioEnergy: stats?.totalAudioEnergy ?? 0,
      packetsReceived: stats?.packetsReceived ?? 0,
      packetsLost: stats?.packetsLost ?? 0,
    };
  });
}
