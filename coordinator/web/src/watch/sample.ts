// What can be measured of a broadcast that plays, and what it says to its viewer.

import { bitrate } from "../stats/format";

/** At one moment; `null` is what this browser does not tell. */
export interface Sample {
  now_ms: number;
  /** When what is shown happened, by the clock of the gateway. */
  shownAt_ms: number | null;
  /** How far the newest that the playlist could list is ahead of what is shown. */
  behindEdge_s: number | null;
  /** How far it should be. */
  target_s: number | null;
  /** How long it would go on if nothing came any more. */
  ahead_s: number;
  /** It stands in a gap, and what comes behind it is there. */
  isInGap: boolean;
  received_bps: number | null;
  frames: { shown: number; dropped: number } | null;
}

export interface Fact {
  name: string;
  value: string;
}

/** Two clocks that agree about the latency to here may be believed: a viewer's clock is often minutes wrong. */
const CLOCKS_APART_S_MAX = 10;

/** Further behind than this, what is shown is not live: more than a stall that the player makes up for by itself. */
const LIVE_SLACK_S = 4;

/** Seconds from the moment something happened until it is shown; what the playlist says where the clocks do not agree. */
export function latency_s({ now_ms, shownAt_ms, behindEdge_s }: Sample): number | null {
  if (shownAt_ms === null) return behindEdge_s;
  const byClock = (now_ms - shownAt_ms) / 1_000;
  const isPlausible = byClock >= 0 && (behindEdge_s === null || byClock - behindEdge_s < CLOCKS_APART_S_MAX);
  return isPlausible ? byClock : behindEdge_s;
}

export function isLive({ behindEdge_s, target_s }: Sample): boolean {
  return behindEdge_s === null || target_s === null || behindEdge_s < target_s + LIVE_SLACK_S;
}

/** Dashes before the first measurement, so that nothing jumps when it comes. */
export function factsOf(sample: Sample | null): Fact[] {
  return [
    { name: "Latency", value: seconds(sample ? latency_s(sample) : null) },
    { name: "Buffer ahead", value: seconds(sample?.ahead_s) },
    { name: "Bitrate", value: sample?.received_bps == null ? NONE : bitrate(sample.received_bps) },
    { name: "Dropped frames", value: sample?.frames ? dropped(sample.frames) : NONE },
  ];
}

const NONE = "–";

function seconds(value: number | null | undefined): string {
  return value == null ? NONE : `${value.toFixed(1)} s`;
}

function dropped({ shown, dropped }: { shown: number; dropped: number }): string {
  const percent = (100 * dropped) / Math.max(shown + dropped, 1);
  return dropped === 0 ? "0" : `${dropped} (${percent.toFixed(1)} %)`;
}
