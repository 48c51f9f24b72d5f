// A bar that shows that the microphone hears something.

import { useRef } from "react";
import { useMicLevel } from "./useMicLevel";

export function LevelMeter({ track }: { track: MediaStreamTrack | null }) {
  const bar = useRef<HTMLSpanElement>(null);
  useMicLevel(track, (level) => bar.current?.style.setProperty("--level", level.toFixed(3)));
  return (
    <span className="level" role="img" aria-label="Microphone level">
      <span ref={bar} />
    </span>
  );
}
