// Short sentences that come and go: shown at the top of the page and read out by screen readers.

import { useSyncExternalStore } from "react";

export interface Notice {
  id: number;
  text: string;
}

/** More than this at once would be noise: the oldest goes. */
const NOTICES_MAX = 3;
const SHOWN_MS = 4_000;

let notices: readonly Notice[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

export function notify(text: string): void {
  const notice = { id: ++lastId, text };
  publish([...notices, notice].slice(-NOTICES_MAX));
  setTimeout(() => publish(notices.filter(({ id }) => id !== notice.id)), SHOWN_MS);
}

export function useNotices(): readonly Notice[] {
  return useSyncExternalStore(subscribe, () => notices);
}

function publish(next: readonly Notice[]): void {
  notices = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
