// Listens to the room's keys.

import { useEffect, useRef } from "react";
import { type Action, actionOf } from "./shortcuts";

export function useShortcuts(enabled: boolean, act: Record<Action, () => void>): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    if (!enabled) return;
    const pressed = (event: KeyboardEvent) => {
      const action = actionOf({ ...modifiers(event), writing: isWriting(event.target) });
      if (!action || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      latest.current[action]();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [enabled]);
}

function modifiers({ key, ctrlKey, metaKey, altKey, repeat }: KeyboardEvent) {
  return { key, ctrlKey, metaKey, altKey, repeat };
}

function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
}
