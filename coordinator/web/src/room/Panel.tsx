// What opens beside the tiles on a desk and over them on a phone: one at a time.

import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "../ui/IconButton";

export type PanelName = "chat" | "people" | "stats";

interface Props {
  name: PanelName;
  title: string;
  close: () => void;
  children: ReactNode;
}

export function Panel({ name, title, close, children }: Props) {
  const heading = useId();
  const panel = useRef<HTMLElement>(null);
  useFocusInside(panel);
  const onKeyDown = ({ key }: KeyboardEvent) => {
    if (key === "Escape") close();
  };
  return (
    <aside ref={panel} className={`panel ${name}`} aria-labelledby={heading} tabIndex={-1} onKeyDown={onKeyDown}>
      <header>
        <h2 id={heading}>{title}</h2>
        <IconButton icon="close" label={`Close ${title.toLowerCase()}`} quiet onClick={close} />
      </header>
      {children}
    </aside>
  );
}

/** The focus goes into the panel, unless something in it took it, and back to where it was. */
function useFocusInside(panel: { current: HTMLElement | null }): void {
  useEffect(() => {
    const { current } = panel;
    const before = document.activeElement;
    if (!current?.contains(before)) current?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [panel]);
}
