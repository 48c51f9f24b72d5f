// Asks again and again while somebody looks, and says how old the answer is.

import { useCallback, useEffect, useRef, useState } from "react";
import { Failure } from "./api";

export interface Polled<T> {
  value: T | null;
  /** When the value came. */
  at: number | null;
  /** Why there is no newer one. */
  failure: Failure | null;
  /** Asks at once, after a change for example. */
  again: () => void;
}

type Load<T> = (signal: AbortSignal) => Promise<T>;

/** `load` must stay the same function for as long as it asks the same. */
export function usePolled<T>(load: Load<T>, every_ms: number): Polled<T> {
  const [known, setKnown] = useState<Omit<Polled<T>, "again">>({ value: null, at: null, failure: null });
  const ask = useRef<() => void>(() => undefined);
  useEffect(() => {
    const poll = poller(load, every_ms, (change) => setKnown((before) => ({ ...before, ...change })));
    ask.current = poll.ask;
    document.addEventListener("visibilitychange", poll.ask);
    poll.ask();
    return () => {
      document.removeEventListener("visibilitychange", poll.ask);
      poll.stop();
    };
  }, [load, every_ms]);
  const again = useCallback(() => ask.current(), []);
  return { ...known, again };
}

/** Only the newest question counts; a hidden page asks nothing. */
export function poller<T>(
  load: Load<T>,
  every_ms: number,
  tell: (change: { value?: T; at?: number; failure: Failure | null }) => void,
  isHidden: () => boolean = () => document.hidden,
): { ask: () => void; stop: () => void } {
  let asked = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const round = async ({ signal }: AbortController) => {
    try {
      const value = await load(signal);
      if (!signal.aborted) tell({ value, at: Date.now(), failure: null });
    } catch (error) {
      if (!signal.aborted) tell({ failure: error instanceof Failure ? error : new Failure("denied", String(error)) });
    }
    if (!signal.aborted) timer = setTimeout(ask, every_ms);
  };
  const stop = () => {
    asked.abort();
    clearTimeout(timer);
  };
  const ask = () => {
    stop();
    if (isHidden()) return;
    asked = new AbortController();
    void round(asked);
  };
  return { ask, stop };
}
