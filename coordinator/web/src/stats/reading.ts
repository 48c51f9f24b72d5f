// What happened between two samples: rates and shares, which are what people understand.

import type { Inbound, Sample } from "./sample";

export interface Reading {
  at: number;
  in_bps: number;
  out_bps: number;
  /** Percent of the packets. */
  lossIn: number;
  lossOut: number;
  rtt_ms: number | null;
  /** Frames per second of the liveliest picture that arrives, and of the one that is sent. */
  fpsIn: number;
  fpsOut: number;
  /** Lines of the largest picture. */
  heightIn: number;
  heightOut: number;
}

export function readingOf(before: Sample, now: Sample): Reading | null {
  const seconds = (now.at - before.at) / 1_000;
  if (seconds <= 0) return null;
  const lost = grown(before, now, "lost");
  const expected = lost + grown(before, now, "packets");
  const videosIn = now.inbound.filter(({ kind }) => kind === "video");
  const videosOut = now.outbound.filter(({ kind }) => kind === "video");
  return {
    at: now.at,
    in_bps: (grown(before, now, "bytes") * 8) / seconds,
    out_bps: (Math.max(0, sum(now.outbound) - sum(before.outbound)) * 8) / seconds,
    lossIn: expected > 0 ? (100 * lost) / expected : 0,
    lossOut: 100 * now.lossOut,
    rtt_ms: now.rtt_ms,
    fpsIn: largest(videosIn, "fps"),
    fpsOut: largest(videosOut, "fps"),
    heightIn: largest(videosIn, "height"),
    heightOut: largest(videosOut, "height"),
  };
}

/** The bit rate of one track that arrives. */
export function trackBps(before: Sample, now: Sample, track: string): number {
  const seconds = (now.at - before.at) / 1_000;
  const bytes = (sample: Sample) => sample.inbound.find((inbound) => inbound.track === track)?.bytes ?? 0;
  return seconds > 0 ? (Math.max(0, bytes(now) - bytes(before)) * 8) / seconds : 0;
}

/** Growth per track: one that came or went in between is no growth, and no loss either. */
function grown(before: Sample, now: Sample, what: "bytes" | "packets" | "lost"): number {
  const known = new Map(before.inbound.map((inbound) => [inbound.track, inbound]));
  const growth = ({ track, [what]: value }: Inbound) => value - (known.get(track)?.[what] ?? value);
  return now.inbound.reduce((total, inbound) => total + Math.max(0, growth(inbound)), 0);
}

function sum(streams: { bytes: number }[]): number {
  return streams.reduce((total, { bytes }) => total + bytes, 0);
}

function largest<K extends string>(streams: Record<K, number>[], what: K): number {
  return Math.max(0, ...streams.map((stream) => stream[what]));
}
