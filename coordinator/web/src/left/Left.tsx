// After the room: why, and the way back.

import { useEffect, useRef } from "react";
import { ThemeSwitch } from "../app/ThemeSwitch";
import { Sail } from "../ui/Sail";
import type { Ending } from "../visit/endings";
import "./left.css";

interface Props {
  room: string;
  /** `null` when its person left. */
  why: Ending | null;
  again: () => void;
  home: () => void;
}

export function Left({ room, why, again, home }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
  }, []);
  return (
    <main className="left-page">
      <div className="corner">
        <ThemeSwitch />
      </div>
      <Sail />
      <h1 ref={heading} tabIndex={-1}>
        {why?.title ?? "You left the room"}
      </h1>
      <p role={why === null ? undefined : "alert"}>{why?.words ?? `The others can still talk in ${room}.`}</p>
      <div className="actions">
        <button type="button" className="primary" onClick={again}>
          Rejoin
        </button>
        <button type="button" className="secondary" onClick={home}>
          Another room
        </button>
      </div>
    </main>
  );
}
