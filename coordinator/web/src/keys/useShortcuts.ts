// Listens to the keys of a table.

import { useEffect, useRef } from "react";
import { actionOf, type Shortcut } from "./shortcuts";

/** `table` is one for good. */
export function useShortcuts<A extends string>(
  table: readonly Shortcut<A>[],
  enabled: boolean,
  act: Record<A, () => void>,
): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    if (!enabled) return;
    const pressed = (event: KeyboardEvent) => {
      const action = actionOf(table, { ...modifiers(event), writing: isTaken(event) });
      if (!action || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      latest.current[action]();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [table, enabled]);
}

function modifiers({ key, ctrlKey, metaKey, altKey, repeat }: KeyboardEvent) {
  return { key, ctrlKey, metaKey, altKey, repeat };
}

/** Keys belong to where people write, and the space bar to what it presses. */
function isTaken({ target, key }: KeyboardEvent): boolean {
  const takers = key === " " ? `${WRITTEN_IN}, button, summary, a` : WRITTEN_IN;
  return target instanceof HTMLElement && target.closest(takers) !== null;
}

const WRITTEN_IN = "input, textarea, select, [contenteditable]";
