// The picture, and over it whatever there is to say or to press.

import type { RefObject } from "react";
import { Icon } from "../ui/icons";
import type { Broadcast } from "./useBroadcast";
import type { Sound } from "./useMuted";
import { type Words, wordsOf } from "./words";

interface Props {
  video: RefObject<HTMLVideoElement | null>;
  broadcast: Broadcast;
  sound: Sound;
}

export function Picture({ video, broadcast, sound }: Props) {
  const { player, look, toggle, again } = broadcast;
  const words = wordsOf(player.phase);
  const isPlaying = player.phase === "playing";
  return (
    <div className="picture">
      {/* biome-ignore lint/a11y/useMediaCaption: it is live, and nobody writes captions */}
      <video ref={video} playsInline onClick={toggle} />
      <div className="said" role="status" data-light={player.phase === "stalled"}>
        {words && <Said words={words} busy={BUSY.has(player.phase)} again={again} />}
      </div>
      {player.phase === "paused" && (
        <button type="button" className="big-play" aria-label="Play" onClick={toggle}>
          <Icon name="play" />
        </button>
      )}
      {isPlaying && look?.hasPicture === false && (
        <p className="sound-only">
          <Icon name="speaker" />
          Sound only
        </p>
      )}
      {isPlaying && sound.muted && (
        <button type="button" className="unmute" onClick={sound.toggle}>
          <Icon name="speakerOff" />
          Tap to unmute
        </button>
      )}
    </div>
  );
}

/** While something goes on by itself. */
const BUSY: ReadonlySet<string> = new Set(["waiting", "starting", "stalled", "lost"]);

function Said({ words, busy, again }: { words: Words; busy: boolean; again: () => void }) {
  return (
    <>
      {busy && <span className="waves" aria-hidden="true" />}
      <h2>{words.title}</h2>
      <p>{words.sentence}</p>
      {words.deed && (
        <button type="button" className="primary" onClick={again}>
          {words.deed}
        </button>
      )}
    </>
  );
}
