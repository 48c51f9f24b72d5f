// Everything that is heard: the others' microphones and the sound of their screens.

import { useCallback, useEffect, useRef, useState } from "react";
import type { Person } from "../room/person";
import { Icon } from "../ui/icons";
import { useMediaElement } from "../ui/useMediaElement";

interface Props {
  people: readonly Person[];
  /** Where the sound goes; empty for the system's choice. */
  speaker: string;
}

export function Sounds({ people, speaker }: Props) {
  const [blocked, setBlocked] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const onBlocked = useCallback(() => setBlocked(true), []);
  const hear = () => {
    setBlocked(false);
    for (const audio of box.current?.querySelectorAll("audio") ?? []) audio.play().catch(onBlocked);
  };
  const tracks = people.filter(({ own }) => !own).flatMap(({ microphone, screenSound }) => [microphone, screenSound]);
  return (
    <div ref={box}>
      {tracks.map((track) => track && <Sound key={track.id} track={track} speaker={speaker} onBlocked={onBlocked} />)}
      {blocked && (
        <button type="button" className="hear primary" onClick={hear}>
          <Icon name="speaker" />
          Click to hear the others
        </button>
      )}
    </div>
  );
}

interface SoundProps {
  track: MediaStreamTrack;
  speaker: string;
  onBlocked: () => void;
}

function Sound({ track, speaker, onBlocked }: SoundProps) {
  const audio = useMediaElement<HTMLAudioElement>(track);
  useEffect(() => {
    // Browsers may refuse sound on a page that nobody has touched yet. A track that goes away meanwhile aborts it.
    audio.current?.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") onBlocked();
    });
  }, [audio, onBlocked]);
  useEffect(() => {
    const element = audio.current;
    // A speaker that was unplugged: the sound stays where it was.
    if (element && "setSinkId" in element) element.setSinkId(speaker).catch(() => undefined);
  }, [audio, speaker]);
  // biome-ignore lint/a11y/useMediaCaption: live speech has no captions
  return <audio ref={audio} />;
}
