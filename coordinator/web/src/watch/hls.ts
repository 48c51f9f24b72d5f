// hls.js on one video element.

import Hls, { type ErrorData, ErrorDetails, ErrorTypes, type HlsConfig } from "hls.js";
import { ahead_s, behindGap_s, type Engine, frames, leap, type Tell } from "./engine";
import { Rate } from "./rate";
import { renditionsOf } from "./renditions";

const SETTINGS: Partial<HlsConfig> = {
  lowLatencyMode: true,
  // A stall leaves a viewer behind for good at the default of 1; a tenth faster is not heard as such.
  maxLiveSyncPlaybackRate: 1.1,
  // Nothing has to be remultiplexed, so a worker would only pass bytes on.
  enableWorker: false,
  backBufferLength: 30,
  // No more than what is seen, unless the viewer chooses.
  capLevelToPlayerSize: true,
};

/** A second mistake in the media within this time is not repaired once more. */
const REPAIR_MS = 5_000;

/** What says that the codec is the trouble, not what arrived. */
const CODEC_TROUBLE: readonly ErrorDetails[] = [
  ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.BUFFER_ADD_CODEC_ERROR,
];

/** `null` where there are no Media Source Extensions. */
export function open(video: HTMLVideoElement, address: string, tell: Tell): Engine | null {
  if (!Hls.isSupported()) return null;
  const hls = new Hls(SETTINGS);
  const rate = new Rate();
  hls.on(Hls.Events.FRAG_LOADED, (_, { frag, part, payload }) => {
    rate.add(frag.type, payload.byteLength, (part ?? frag).duration);
  });
  follow(hls, tell);
  hls.loadSource(address);
  hls.attachMedia(video);
  return {
    renditions: () => renditionsOf(hls.levels),
    shown: () => (hls.currentLevel < 0 ? null : hls.currentLevel),
    choose: (index) => {
      hls.nextLevel = index ?? -1;
    },
    sample: () => ({
      now_ms: Date.now(),
      shownAt_ms: hls.playingDate?.getTime() ?? null,
      behindEdge_s: hls.latency || null,
      target_s: hls.targetLatency,
      ahead_s: ahead_s(video),
      isInGap: behindGap_s(video) !== null,
      received_bps: rate.bps,
      frames: frames(video),
    }),
    catchUp: () => {
      if (hls.liveSyncPosition !== null) video.currentTime = hls.liveSyncPosition;
    },
    leap: () => leap(video),
    close: () => hls.destroy(),
  };
}

function follow(hls: Hls, tell: Tell): void {
  let repaired_ms = Number.NEGATIVE_INFINITY;
  hls.on(Hls.Events.ERROR, (_, { fatal, type, details }: ErrorData) => {
    if (!fatal) return;
    if (CODEC_TROUBLE.includes(details)) return tell("cannot");
    // Whatever the reason was, the server is asked again, and says which it is.
    if (type !== ErrorTypes.MEDIA_ERROR) return tell("disconnects");
    if (performance.now() - repaired_ms < REPAIR_MS) return tell("breaks");
    repaired_ms = performance.now();
    hls.recoverMediaError();
  });
}
