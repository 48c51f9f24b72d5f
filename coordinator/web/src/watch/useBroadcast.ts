// Follows the broadcast of a room: asks for it, plays it once it is there, and asks again when it is lost.

import { type RefObject, useCallback, useEffect, useRef, useState } from "react";
import { addressOf, ask, pause_ms } from "./ask";
import { type Engine, load, type Tell } from "./engine";
import { advance, FIRST, type Happening, isAsking, isOpen, type Player } from "./phase";
import type { Rendition } from "./renditions";
import { isLive, type Sample } from "./sample";

/** What is known of a broadcast that is loaded. */
export interface Look {
  sample: Sample;
  renditions: Rendition[];
  /** By its index. */
  shown: number | null;
  hasPicture: boolean;
}

export interface Broadcast {
  player: Player;
  look: Look | null;
  /** By its index; `null` while the page chooses. */
  chosen: number | null;
  choose: (index: number | null) => void;
  /** Plays or pauses. */
  toggle: () => void;
  catchUp: () => void;
  again: () => void;
}

const LOOK_MS = 500;

export function useBroadcast(room: string, element: RefObject<HTMLVideoElement | null>): Broadcast {
  const [player, setPlayer] = useState(FIRST);
  const [chosen, setChosen] = useState<number | null>(null);
  const wanted = useRef(true);
  const tell = useCallback((happening: Happening) => {
    setPlayer((player) => advance(player, happening, performance.now()));
  }, []);
  // So that the first picture does not wait for it.
  useEffect(() => void load().catch(() => undefined), []);
  const address = addressOf(room);
  useQuestion(address, player, tell);
  const engine = useEngine(element, address, isOpen(player), wanted, tell);
  const look = useLook(element, engine);

  const choose = (index: number | null) => {
    engine?.choose(index);
    setChosen(index);
  };
  // Whoever was live is so again after a stall; whoever paused goes on from there.
  const staysLive = useRef(true);
  // Indices are those of one playlist.
  useEffect(() => {
    staysLive.current = true;
    if (engine) setChosen(null);
  }, [engine]);
  const catchUp = useCallback(() => {
    staysLive.current = true;
    engine?.catchUp();
  }, [engine]);
  useEffect(() => {
    if (look && player.phase === "playing" && staysLive.current && !isLive(look.sample)) catchUp();
  }, [look, player.phase, catchUp]);
  useEffect(() => {
    if (look?.sample.isInGap && player.phase === "stalled") engine?.leap();
  }, [look, player.phase, engine]);
  const toggle = () => {
    const { current: video } = element;
    if (!engine || !video) return;
    wanted.current = video.paused;
    staysLive.current = false;
    if (wanted.current) play(video, tell);
    else video.pause();
  };
  return { player, look, chosen, choose, toggle, catchUp, again: () => tell("again") };
}

/** Asks the server for the playlist while there is none. */
function useQuestion(address: string, player: Player, tell: Tell): void {
  const asked = useRef(0);
  if (player.phase === "playing") asked.current = 0;
  const asking = isAsking(player);
  useEffect(() => {
    if (!asking) return;
    const stopped = new AbortController();
    let clock: ReturnType<typeof setTimeout>;
    // What is found and lost at once is asked for no faster than what is not there.
    const wait = () => {
      clock = setTimeout(() => void question(), asked.current === 0 ? 0 : pause_ms(asked.current - 1));
    };
    const question = async () => {
      asked.current += 1;
      const answer = await ask(address, stopped.signal);
      if (stopped.signal.aborted) return;
      tell(answer);
      wait();
    };
    wait();
    return () => {
      clearTimeout(clock);
      stopped.abort();
    };
  }, [address, asking, tell]);
}

/** What plays, while something does. */
function useEngine(
  element: RefObject<HTMLVideoElement | null>,
  address: string,
  open: boolean,
  wanted: RefObject<boolean>,
  tell: Tell,
): Engine | null {
  const [engine, setEngine] = useState<Engine | null>(null);
  useEffect(() => {
    const { current: video } = element;
    if (!open || !video) return;
    const unfollow = follow(video, tell);
    let isClosed = false;
    let opened: Engine | null = null;
    const start = async () => {
      const openOn = await load();
      if (isClosed) return;
      opened = openOn(video, address, tell);
      setEngine(opened);
      if (!opened) tell("cannot");
      else if (wanted.current) play(video, tell);
      else tell("pauses");
    };
    start().catch(() => tell("disconnects"));
    return () => {
      isClosed = true;
      unfollow();
      opened?.close();
      setEngine(null);
    };
  }, [element, address, open, wanted, tell]);
  return engine;
}

function useLook(element: RefObject<HTMLVideoElement | null>, engine: Engine | null): Look | null {
  const [look, setLook] = useState<Look | null>(null);
  useEffect(() => {
    if (!engine) return setLook(null);
    const take = () => {
      const hasPicture = (element.current?.videoWidth ?? 0) > 0;
      setLook({ sample: engine.sample(), renditions: engine.renditions(), shown: engine.shown(), hasPicture });
    };
    const clock = setInterval(take, LOOK_MS);
    return () => clearInterval(clock);
  }, [element, engine]);
  return look;
}

function follow(video: HTMLVideoElement, tell: Tell): () => void {
  const meanings: Record<string, Happening> = { playing: "plays", pause: "pauses", waiting: "stalls", ended: "ends" };
  const heard = ({ type }: Event) => {
    const meaning = meanings[type];
    if (meaning) tell(meaning);
  };
  for (const type of Object.keys(meanings)) video.addEventListener(type, heard);
  return () => {
    for (const type of Object.keys(meanings)) video.removeEventListener(type, heard);
  };
}

/** Some browsers play nothing before they are touched, not even without sound. */
function play(video: HTMLVideoElement, tell: Tell): void {
  video.play().catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "NotAllowedError") tell("pauses");
  });
}
