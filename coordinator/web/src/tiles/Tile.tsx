// One person, or one shared screen.

import type { CSSProperties } from "react";
import { hueOf, initials } from "../room/person";
import { QUALITY_WORDS, type Quality } from "../stats/quality";
import { IconButton } from "../ui/IconButton";
import { Icon } from "../ui/icons";
import { useMediaElement } from "../ui/useMediaElement";
import type { Face } from "./faces";
import type { Rect } from "./layout";

interface Props {
  face: Face;
  /** `null` until the page knows its own size. */
  place: Rect | null;
  staged: boolean;
  pinned: boolean;
  speaking: boolean;
  quality: Quality | undefined;
  onPin: (key: string) => void;
}

export function Tile({ face, place, staged, pinned, speaking, quality, onPin }: Props) {
  const { key, kind, label, person, video } = face;
  const element = useMediaElement<HTMLVideoElement>(video);
  const isScreen = kind === "screen";
  const small = place !== null && place.width < SMALL_PX;
  const classes = ["tile", kind, staged && "staged", speaking && "speaking", small && "small"]
    .filter(Boolean)
    .join(" ");
  return (
    <li className={classes} style={styleOf(person.id, place)} hidden={!place || place.width === 0}>
      <span className="initials" aria-hidden="true">
        {initials(person.name)}
      </span>
      {/* The sound has an element of its own: one that is hidden or without frames may hold it back. */}
      <video ref={element} autoPlay playsInline muted hidden={video === null} aria-hidden="true" tabIndex={-1} />
      <div className="marks">
        {!isScreen && person.hand !== null && (
          <span className="mark hand" role="img" aria-label="hand raised">
            <Icon name="hand" />
          </span>
        )}
        {!isScreen && quality && quality !== "good" && <Bars quality={quality} />}
      </div>
      <span className="plate">
        {!isScreen && person.muted && (
          <span className="muted" role="img" aria-label="muted">
            <Icon name="microphoneOff" />
          </span>
        )}
        {isScreen && <Icon name="screen" />}
        <span className="name">{label}</span>
        {speaking && <span className="unseen">speaks</span>}
      </span>
      <IconButton
        icon="pin"
        label={pinned ? `Unpin ${label}` : `Pin ${label}`}
        quiet
        pressed={pinned}
        className="pin"
        onClick={() => onPin(key)}
      />
    </li>
  );
}

/** Below this the plate has room for little more than a first name. */
const SMALL_PX = 180;

function Bars({ quality }: { quality: Quality }) {
  return (
    <span className={`mark bars ${quality}`} role="img" aria-label={QUALITY_WORDS[quality]}>
      <i />
      <i />
      <i />
    </span>
  );
}

function styleOf(id: string, place: Rect | null): CSSProperties {
  const { x, y, width, height } = place ?? { x: 0, y: 0, width: 0, height: 0 };
  return {
    width,
    height,
    transform: `translate(${x}px, ${y}px)`,
    "--hue": hueOf(id),
    "--tile": `${width}px`,
  } as CSSProperties;
}
