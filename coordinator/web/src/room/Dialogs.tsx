// The windows over the room: the keys, and the devices.

import { DeviceChoice } from "../devices/DeviceChoice";
import { explain } from "../devices/trouble";
import type { Devices } from "../devices/useDevices";
import { HelpDialog } from "../keys/HelpDialog";
import { Dialog } from "../ui/Dialog";
import type { Keys } from "./useRoomKeys";

export type Open = "help" | "devices" | null;

interface Props {
  open: Open;
  close: () => void;
  devices: Devices;
  keys: Keys;
}

export function Dialogs({ open, close, devices, keys }: Props) {
  if (open === "help") return <HelpDialog enabled={keys.enabled} onEnable={keys.enable} onClose={close} />;
  if (open === null) return null;
  return (
    <Dialog title="Devices" onClose={close}>
      <DeviceChoice devices={devices} />
      {devices.troubles.size > 0 && <p className="trouble">{explain(devices.troubles)}</p>}
    </Dialog>
  );
}
