// The bar below the picture.

import { IconButton } from "../ui/IconButton";
import { isOpen } from "./phase";
import type { Broadcast } from "./useBroadcast";
import type { Sound } from "./useMuted";
import type { Wide } from "./useWide";
import type { Badge } from "./words";

interface Props {
  broadcast: Broadcast;
  badge: Badge;
  sound: Sound;
  wide: Wide;
}

export function Bar({ broadcast: { player, toggle, catchUp }, badge, sound, wide }: Props) {
  const paused = player.phase === "paused";
  return (
    <div className="watch-bar" role="toolbar" aria-label="Player">
      <IconButton
        icon={paused ? "play" : "pause"}
        label={paused ? "Play" : "Pause"}
        shortcut="space"
        quiet
        disabled={!isOpen(player)}
        onClick={toggle}
      />
      <IconButton
        icon={sound.muted ? "speakerOff" : "speaker"}
        label={sound.muted ? "Unmute" : "Mute"}
        shortcut="m"
        quiet
        onClick={sound.toggle}
      />
      {badge === "behind" && (
        <button type="button" className="catch-up" onClick={catchUp}>
          Go to live
        </button>
      )}
      <IconButton
        icon={wide.wide ? "narrow" : "widen"}
        label={wide.wide ? "Leave full screen" : "Full screen"}
        shortcut="f"
        quiet
        className="wide"
        onClick={wide.toggle}
      />
    </div>
  );
}
