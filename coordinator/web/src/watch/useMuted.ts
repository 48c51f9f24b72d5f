// The sound of the broadcast: off at first, for browsers start nothing that would be heard unasked.

import { type RefObject, useEffect, useState } from "react";

export interface Sound {
  muted: boolean;
  toggle: () => void;
}

export function useMuted(element: RefObject<HTMLVideoElement | null>): Sound {
  const [muted, setMuted] = useState(true);
  useEffect(() => {
    if (element.current) element.current.muted = muted;
  }, [element, muted]);
  return { muted, toggle: () => setMuted(!muted) };
}
