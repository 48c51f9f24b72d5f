// Tells the others how well one's connection works: at once when it changes, and now and then for those who came later.

import { useEffect } from "react";
import type { Message } from "../messages/message";
import type { Quality } from "./quality";

const REPEAT_MS = 10_000;

export function useOwnQuality(quality: Quality, ready: boolean, send: (message: Message) => void): void {
  useEffect(() => {
    if (!ready) return;
    const tell = () => send({ kind: "quality", quality });
    tell();
    const timer = setInterval(tell, REPEAT_MS);
    return () => clearInterval(timer);
  }, [quality, ready, send]);
}
