// What plays a broadcast in a video element: hls.js, or the browser itself where it has no Media Source Extensions.

import type { Happening } from "./phase";
import type { Rendition } from "./renditions";
import type { Sample } from "./sample";

export interface Engine {
  /** Which can be chosen; none where the browser chooses. */
  renditions: () => Rendition[];
  /** Which one is shown, by its index; `null` where nobody tells. */
  shown: () => number | null;
  /** `null` leaves the choice to the engine. */
  choose: (index: number | null) => void;
  sample: () => Sample;
  /** Back to what is live. */
  catchUp: () => void;
  /** Over a gap to what comes behind it. Engines may wait in a gap until it is gone from the playlist. */
  leap: () => void;
  close: () => void;
}

export type Tell = (happening: Happening) => void;

/** `null` where it cannot play anything in this browser. */
export type Open = (video: HTMLVideoElement, address: string, tell: Tell) => Engine | null;

/** Fetches what plays broadcasts, which is larger than all the rest of the page. */
export async function load(): Promise<Open> {
  const [hls, native] = await Promise.all([import("./hls"), import("./native")]);
  return (video, address, tell) => hls.open(video, address, tell) ?? native.open(video, address, tell);
}

/** How long a video would go on by itself. */
export function ahead_s({ buffered, currentTime }: HTMLVideoElement): number {
  for (let range = 0; range < buffered.length; range += 1)
    if (buffered.start(range) <= currentTime && currentTime < buffered.end(range))
      return buffered.end(range) - currentTime;
  return 0;
}

/** What lies behind the gap that a video stands in; `null` when it stands in none, or nothing came behind it yet. */
export function behindGap_s({ buffered, currentTime }: HTMLVideoElement): number | null {
  for (let range = 0; range < buffered.length; range += 1) {
    if (currentTime < buffered.start(range)) return buffered.start(range);
    if (currentTime < buffered.end(range) - GAP_S) return null;
  }
  return null;
}

/** Engines get over less by themselves. */
const GAP_S = 0.2;

export function leap(video: HTMLVideoElement): void {
  const next_s = behindGap_s(video);
  if (next_s !== null) video.currentTime = next_s;
}

export function frames(video: HTMLVideoElement): Sample["frames"] {
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  return { shown: totalVideoFrames - droppedVideoFrames, dropped: droppedVideoFrames };
}
