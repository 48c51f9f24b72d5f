// Plays one track in a media element and lets go of it again.

import { type RefObject, useEffect, useRef } from "react";

export function useMediaElement<E extends HTMLMediaElement>(track: MediaStreamTrack | null): RefObject<E | null> {
  const element = useRef<E>(null);
  useEffect(() => {
    const { current } = element;
    if (!current) return;
    current.srcObject = track ? new MediaStream([track]) : null;
    return () => {
      current.srcObject = null;
    };
  }, [track]);
  return element;
}
