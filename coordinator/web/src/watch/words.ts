// What the page says over the picture, and how live it is.

import type { Phase } from "./phase";
import { isLive, type Sample } from "./sample";

export interface Words {
  title: string;
  sentence: string;
  /** What the viewer can do about it. */
  deed?: string;
}

/** `null` while there is a picture. */
export function wordsOf(phase: Phase): Words | null {
  switch (phase) {
    case "waiting":
      return { title: "Waiting for the broadcast", sentence: "It starts here by itself as soon as it is on the air." };
    case "starting":
      return { title: "Starting…", sentence: "The first picture is on its way." };
    case "stalled":
      return { title: "One moment…", sentence: "Nothing is coming right now. It goes on by itself." };
    case "lost":
      return { title: "The connection was lost", sentence: "It is tried again by itself." };
    case "over":
      return {
        title: "The broadcast is over",
        sentence: "Should it begin again, look again.",
        deed: "Look again",
      };
    case "unsupported":
      return {
        title: "This browser cannot play it",
        sentence: "Broadcasts need Media Source Extensions with H.264, as current browsers have them.",
      };
    case "refused":
      return { title: "This address is not right", sentence: "Ask whoever sent you the link for another one." };
    case "broken":
      return {
        title: "The picture cannot be read",
        sentence: "What arrives is not what the browser can decode. Often another attempt helps.",
        deed: "Try again",
      };
    case "playing":
    case "paused":
      return null;
  }
}

export type Badge = "live" | "behind" | "paused" | "off";

export const BADGES: Record<Badge, string> = { live: "Live", behind: "Behind", paused: "Paused", off: "Not live" };

export function badgeOf(phase: Phase, sample: Sample | null): Badge {
  if (phase === "paused") return "paused";
  if (phase !== "playing" && phase !== "stalled") return "off";
  return sample === null || isLive(sample) ? "live" : "behind";
}
