// Asks the server for a broadcast's playlist: is there something to play yet?

import type { Happening } from "./phase";

/** Pauses between questions: short at first, then easy on the server that many pages may wait for. */
const PAUSE_MS = { first: 1_000, more: 100, most: 5_000 };

/** So that pages which lost the same broadcast do not ask in step. */
const SPREAD = 0.25;

/** Most of the time that an answer may take. */
const ANSWER_MS_MAX = 10_000;

/** Where a room's broadcast is. */
export function addressOf(room: string): string {
  return `/hls/${encodeURIComponent(room)}/index.m3u8`;
}

export async function ask(address: string, signal: AbortSignal): Promise<Happening> {
  const late = AbortSignal.timeout(ANSWER_MS_MAX);
  const both = new AbortController();
  for (const one of [signal, late]) one.addEventListener("abort", () => both.abort(), { once: true });
  try {
    const response = await fetch(address, { cache: "no-store", signal: both.signal });
    return meaningOf(response.status);
  } catch {
    return "unreachable";
  }
}

export function meaningOf(status: number): Happening {
  if (status >= 200 && status < 300) return "found";
  if (status === 404 || status === 410) return "absent";
  if ([400, 401, 403].includes(status)) return "refused";
  return "unreachable";
}

/** Before the next question, after so many. */
export function pause_ms(asked: number, random: () => number = Math.random): number {
  const { first, more, most } = PAUSE_MS;
  return Math.min(first + asked * more, most) * (1 + SPREAD * random());
}
