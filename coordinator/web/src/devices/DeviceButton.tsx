// The button that switches a device on and off: in the lobby below the preview, in the room in the bar.

import { IconButton } from "../ui/IconButton";
import type { IconName } from "../ui/icons";
import type { Device } from "./trouble";
import type { Source } from "./useDevices";

const WORDS: Record<Device, { on: string; off: string; iconOn: IconName; iconOff: IconName }> = {
  microphone: { on: "Mute", off: "Unmute", iconOn: "microphone", iconOff: "microphoneOff" },
  camera: { on: "Camera off", off: "Camera on", iconOn: "camera", iconOff: "cameraOff" },
};

interface Props {
  device: Device;
  source: Source;
  shortcut?: string;
}

export function DeviceButton({ device, source, shortcut }: Props) {
  const words = WORDS[device];
  return (
    <IconButton
      icon={source.on ? words.iconOn : words.iconOff}
      label={source.on ? words.on : words.off}
      off={!source.on}
      onClick={() => void source.toggle()}
      {...(shortcut ? { shortcut } : {})}
    />
  );
}
