// How well somebody's connection works, in three words: made from loss and round trip, slow to change its mind.

import type { Reading } from "./reading";

export type Quality = "good" | "fair" | "poor";

/** From where on people hear and see it. Loss in percent. */
const FAIR = { loss: 3, rtt_ms: 250 };
const POOR = { loss: 10, rtt_ms: 600 };

/** Seconds of readings that are looked at: a single bad one is no bad connection. */
const WINDOW = 5;

export const QUALITY_WORDS: Record<Quality, string> = {
  good: "good connection",
  fair: "weak connection",
  poor: "bad connection",
};

export function qualityOf(readings: readonly Reading[]): Quality {
  const recent = readings.slice(-WINDOW);
  const loss = mean(recent.map(({ lossIn, lossOut }) => Math.max(lossIn, lossOut)));
  const rtt_ms = mean(recent.map((reading) => reading.rtt_ms ?? 0));
  if (loss >= POOR.loss || rtt_ms >= POOR.rtt_ms) return "poor";
  return loss >= FAIR.loss || rtt_ms >= FAIR.rtt_ms ? "fair" : "good";
}

function mean(values: number[]): number {
  return values.reduce((total, value) => total + value, 0) / Math.max(1, values.length);
}
