// The picture over the whole screen, and the bar out of the way while nobody moves.

import { type RefObject, useEffect, useState } from "react";

export interface Wide {
  wide: boolean;
  /** Nobody has moved for a while. */
  idle: boolean;
  toggle: () => void;
}

/** Phones of Apple fill the screen with nothing but a video. */
interface PhoneVideo extends HTMLVideoElement {
  webkitEnterFullscreen?: () => void;
}

const IDLE_MS = 2_500;

export function useWide(stage: RefObject<HTMLElement | null>, video: RefObject<PhoneVideo | null>): Wide {
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const changed = () => setWide(document.fullscreenElement !== null);
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, []);
  const toggle = () => {
    if (wide) void document.exitFullscreen();
    else if (stage.current?.requestFullscreen) stage.current.requestFullscreen().catch(() => undefined);
    else video.current?.webkitEnterFullscreen?.();
  };
  return { wide, idle: useIdle(wide), toggle };
}

function useIdle(watched: boolean): boolean {
  const [idle, setIdle] = useState(false);
  useEffect(() => {
    if (!watched) return;
    let clock: ReturnType<typeof setTimeout>;
    const moved = () => {
      clearTimeout(clock);
      setIdle(false);
      clock = setTimeout(() => setIdle(true), IDLE_MS);
    };
    const events = ["pointermove", "pointerdown", "keydown"];
    moved();
    for (const event of events) addEventListener(event, moved);
    return () => {
      clearTimeout(clock);
      setIdle(false);
      for (const event of events) removeEventListener(event, moved);
    };
  }, [watched]);
  return idle;
}
