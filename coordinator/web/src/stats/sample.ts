// One look at the connection: the few of the browser's many numbers that the page shows.

export interface Inbound {
  /** The browser's id of the track that the page plays. */
  track: string;
  kind: "audio" | "video";
  bytes: number;
  packets: number;
  lost: number;
  frames: number;
  width: number;
  height: number;
  fps: number;
  codec: string;
}

export interface Outbound {
  kind: "audio" | "video";
  bytes: number;
  height: number;
  width: number;
  fps: number;
  rid: string;
  codec: string;
}

export interface Sample {
  at: number;
  inbound: Inbound[];
  outbound: Outbound[];
  rtt_ms: number | null;
  /** Of what this page sends, the share that does not arrive, as the server tells; 0 to 1. */
  lossOut: number;
}

type Stats = Record<string, unknown> & { type?: string; id?: string };

export function sampleOf(report: Iterable<[string, Stats]>, at: number): Sample {
  const byId = new Map(report);
  const all = [...byId.values()];
  const codec = (stats: Stats) => text(byId.get(text(stats.codecId))?.mimeType).replace(/^\w+\//, "");
  const ofType = (type: string) => all.filter((stats) => stats.type === type);
  return {
    at,
    inbound: ofType("inbound-rtp").map((stats) => inbound(stats, codec(stats))),
    outbound: ofType("outbound-rtp").map((stats) => outbound(stats, codec(stats))),
    rtt_ms: roundTrip(ofType("candidate-pair")),
    lossOut: Math.max(0, ...ofType("remote-inbound-rtp").map((stats) => number(stats.fractionLost))),
  };
}

function inbound(stats: Stats, codec: string): Inbound {
  return {
    ...pictureOf(stats),
    track: text(stats.trackIdentifier),
    bytes: number(stats.bytesReceived),
    packets: number(stats.packetsReceived),
    lost: number(stats.packetsLost),
    frames: number(stats.framesDecoded),
    codec,
  };
}

function outbound(stats: Stats, codec: string): Outbound {
  return { ...pictureOf(stats), bytes: number(stats.bytesSent), rid: text(stats.rid), codec };
}

function pictureOf(stats: Stats) {
  return {
    kind: stats.kind === "video" ? ("video" as const) : ("audio" as const),
    width: number(stats.frameWidth),
    height: number(stats.frameHeight),
    fps: number(stats.framesPerSecond),
  };
}

function roundTrip(pairs: Stats[]): number | null {
  const used = pairs.find((pair) => pair.nominated === true && pair.state === "succeeded");
  const seconds = used?.currentRoundTripTime;
  return typeof seconds === "number" ? seconds * 1_000 : null;
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
