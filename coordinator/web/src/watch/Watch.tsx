// The broadcast of a room, for any number of viewers over HTTP: a large picture, and how it comes.

import { useEffect, useRef } from "react";
import { ThemeSwitch } from "../app/ThemeSwitch";
import type { Shortcut } from "../keys/shortcuts";
import { useShortcuts } from "../keys/useShortcuts";
import { Sail } from "../ui/Sail";
import { Bar } from "./Bar";
import { Facts } from "./Facts";
import { Picture } from "./Picture";
import { useBroadcast } from "./useBroadcast";
import { useMuted } from "./useMuted";
import { useWide } from "./useWide";
import { BADGES, badgeOf } from "./words";
import "./watch.css";

const KEYS = [
  { key: "space", action: "play", words: "Play or pause" },
  { key: "m", action: "mute", words: "Sound on or off" },
  { key: "f", action: "wide", words: "Fill the screen or not" },
] as const satisfies readonly Shortcut<string>[];

export function Watch({ room }: { room: string }) {
  const stage = useRef<HTMLElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const broadcast = useBroadcast(room, video);
  const sound = useMuted(video);
  const wide = useWide(stage, video);
  useShortcuts(KEYS, true, { play: broadcast.toggle, mute: sound.toggle, wide: wide.toggle });
  useEffect(() => {
    document.title = `${room} · Velella`;
  }, [room]);
  const { player, look } = broadcast;
  const badge = badgeOf(player.phase, look?.sample ?? null);
  return (
    <main className="watch" data-phase={player.phase}>
      <header>
        <Sail />
        <h1>{room}</h1>
        <span className="on-air" data-badge={badge}>
          {BADGES[badge]}
        </span>
        <ThemeSwitch />
      </header>
      <section className="watch-stage" ref={stage} data-idle={wide.idle} aria-label="Broadcast">
        <Picture video={video} broadcast={broadcast} sound={sound} />
        <Bar broadcast={broadcast} badge={badge} sound={sound} wide={wide} />
      </section>
      <Facts broadcast={broadcast} />
    </main>
  );
}
