// The line above the tiles: which room, who is there, how it goes, and the quieter buttons.

import { useState } from "react";
import { ThemeSwitch } from "../app/ThemeSwitch";
import { keyOf } from "../keys/shortcuts";
import type { RoomView } from "../tiles/useView";
import { IconButton } from "../ui/IconButton";
import { Sail } from "../ui/Sail";
import type { Phase } from "../visit/useSession";
import type { Open } from "./Dialogs";
import { copyLink } from "./link";
import type { PanelName } from "./Panel";

const PHASES: Record<Phase, string> = { joining: "Joining…", live: "", reconnecting: "Reconnecting…" };

/** How long the tick on the link's button stays. */
const COPIED_MS = 2_000;

interface Props {
  room: string;
  people: number;
  phase: Phase;
  view: RoomView;
  panel: PanelName | null;
  open: (panel: PanelName) => void;
  dialog: (open: Open) => void;
}

export function TopBar({ room, people, phase, view, panel, open, dialog }: Props) {
  const staged = view.stage !== null;
  return (
    <header className="top">
      <Sail />
      <h1>{room}</h1>
      <span className="count">{people === 1 ? "just you" : `${people} people`}</span>
      <span className="phase" role="status">
        {PHASES[phase]}
      </span>
      <div className="tools" role="toolbar" aria-label="Room">
        <CopyLink room={room} />
        <IconButton
          icon={staged ? "grid" : "stage"}
          label={staged ? "Grid layout" : "Speaker layout"}
          shortcut={keyOf("layout")}
          quiet
          onClick={view.toggle}
        />
        <IconButton
          icon="stats"
          label="Connection"
          shortcut={keyOf("stats")}
          quiet
          pressed={panel === "stats"}
          onClick={() => open("stats")}
        />
        <IconButton icon="sliders" label="Devices" quiet onClick={() => dialog("devices")} />
        <IconButton icon="help" label="Keys" shortcut={keyOf("help")} quiet onClick={() => dialog("help")} />
        <ThemeSwitch />
      </div>
    </header>
  );
}

function CopyLink({ room }: { room: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    if (!(await copyLink(room))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  return (
    <IconButton
      icon={copied ? "done" : "link"}
      label="Copy link"
      shortcut={keyOf("link")}
      quiet
      onClick={() => void copy()}
    />
  );
}
