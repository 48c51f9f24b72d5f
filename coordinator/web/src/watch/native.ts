// The browser's own HLS: Safari on phones without Media Source Extensions. It chooses and tells little.

import { ahead_s, behindGap_s, type Engine, frames, leap, type Tell } from "./engine";

/** Safari tells when the first moment of a stream was. */
interface Dated extends HTMLVideoElement {
  getStartDate?: () => Date;
}

/** Browsers do not say how far behind they stay; this is what the draft has them do without parts and a word of its own. */
const TARGET_S = 12;

/** `null` where the browser has none. */
export function open(video: Dated, address: string, tell: Tell): Engine | null {
  if (video.canPlayType("application/vnd.apple.mpegurl") === "") return null;
  // What was on its way when it broke says no more than that: the server is asked again.
  const broken = () => tell(video.error?.code === MediaError.MEDIA_ERR_DECODE ? "breaks" : "disconnects");
  video.addEventListener("error", broken);
  video.src = address;
  const edge = () => (video.seekable.length > 0 ? video.seekable.end(video.seekable.length - 1) : null);
  return {
    renditions: () => [],
    shown: () => null,
    choose: () => undefined,
    sample: () => {
      const [last, began] = [edge(), video.getStartDate?.().getTime()];
      return {
        now_ms: Date.now(),
        shownAt_ms: began ? began + video.currentTime * 1_000 : null,
        behindEdge_s: last === null ? null : Math.max(last - video.currentTime, 0),
        target_s: TARGET_S,
        ahead_s: ahead_s(video),
        isInGap: behindGap_s(video) !== null,
        received_bps: null,
        frames: frames(video),
      };
    },
    catchUp: () => {
      const last = edge();
      if (last !== null) video.currentTime = last;
    },
    leap: () => leap(video),
    close: () => {
      video.removeEventListener("error", broken);
      video.removeAttribute("src");
      video.load();
    },
  };
}
