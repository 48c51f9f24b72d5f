// Sharing one's screen, with its sound where the browser gives it.

import { useScreenShare } from "@fishjam-cloud/react-client";
import { notify } from "../ui/notices";

export interface ScreenShare {
  /** Phones cannot. */
  possible: boolean;
  track: MediaStreamTrack | null;
  toggle: () => Promise<void>;
}

/** Readable rather than smooth. */
const VIDEO: MediaTrackConstraints = { frameRate: { ideal: 15, max: 30 }, width: { max: 1920 }, height: { max: 1080 } };

export function useScreen(live: boolean): ScreenShare {
  const { startStreaming, stopStreaming, videoTrack } = useScreenShare();
  const possible = typeof navigator.mediaDevices?.getDisplayMedia === "function";
  if (videoTrack && videoTrack.contentHint !== "detail") videoTrack.contentHint = "detail";
  const toggle = async () => {
    if (!live || !possible) return;
    if (videoTrack) return stopStreaming();
    await startStreaming({ videoConstraints: VIDEO, audioConstraints: true }).catch((error: unknown) => {
      // Closing the browser's question is an answer, not an error.
      const denied = error instanceof DOMException && error.name === "NotAllowedError";
      notify(denied ? "The screen is not shared" : "The screen could not be shared");
    });
  };
  return { possible, track: videoTrack, toggle };
}
