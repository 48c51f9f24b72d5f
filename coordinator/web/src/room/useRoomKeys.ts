// The room's keys and what they do.

import type { Devices } from "../devices/useDevices";
import { type Action, SHORTCUTS } from "../keys/shortcuts";
import { useShortcuts } from "../keys/useShortcuts";
import type { RoomView } from "../tiles/useView";
import { useStored } from "../ui/useStored";
import type { Open } from "./Dialogs";
import { copyLink } from "./link";
import type { PanelName } from "./Panel";
import type { ScreenShare } from "./useScreen";

export interface Keys {
  enabled: boolean;
  enable: (enabled: boolean) => void;
}

interface Controls {
  devices: Devices;
  screen: ScreenShare;
  raise: () => void;
  view: RoomView;
  show: (panel: PanelName) => void;
  setDialog: (open: Open) => void;
  room: string;
}

export function useRoomKeys({ devices, screen, raise, view, show, setDialog, room }: Controls): Keys {
  const [keys, setKeys] = useStored("velella.keys", "on");
  const acts: Record<Action, () => void> = {
    microphone: () => void devices.microphone.toggle(),
    camera: () => void devices.camera.toggle(),
    screen: () => void screen.toggle(),
    hand: raise,
    layout: view.toggle,
    people: () => show("people"),
    chat: () => show("chat"),
    stats: () => show("stats"),
    link: () => void copyLink(room),
    help: () => setDialog("help"),
  };
  useShortcuts(SHORTCUTS, keys === "on", acts);
  return { enabled: keys === "on", enable: (enabled) => setKeys(enabled ? "on" : "off") };
}
