// Which tiles there are and who is on the stage, as somebody switches and pins.

import { useEffect, useRef, useState } from "react";
import type { Person } from "../room/person";
import { type Face, facesOf } from "./faces";
import { FIRST_VIEW, screenAppeared, stageOf, toggleLayout, togglePin } from "./stage";

export interface RoomView {
  faces: readonly Face[];
  stage: string | null;
  pinned: string | null;
  toggle: () => void;
  pin: (key: string) => void;
}

export function useView(people: readonly Person[], speaker: string | null): RoomView {
  const [view, setView] = useState(FIRST_VIEW);
  const faces = facesOf(people);
  const stage = stageOf(view, faces, speaker);
  const screens = faces.filter(({ kind, own }) => kind === "screen" && !own).length;
  const before = useRef(screens);
  useEffect(() => {
    if (screens > before.current) setView(screenAppeared);
    before.current = screens;
  }, [screens]);
  return {
    faces,
    stage,
    pinned: view.pinned,
    toggle: () => setView(toggleLayout(stage !== null)),
    pin: (key) => setView((now) => togglePin(now, key)),
  };
}
