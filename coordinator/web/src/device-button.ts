// The round button that switches a device on and off: in the lobby below the preview, in the call in the bar.

import type { Device } from "./devices";
import { h, icon } from "./element";
import { icons } from "./icons";
import type { OwnMedia } from "./own-media";

const WORDS: Record<Device, { on: string; off: string; iconOn: string; iconOff: string }> = {
  microphone: { on: "Mute", off: "Unmute", iconOn: icons.microphone, iconOff: icons.microphoneOff },
  camera: { on: "Camera off", off: "Camera on", iconOn: icons.camera, iconOff: icons.cameraOff },
};

/** Lives as long as `until` is not aborted. */
export function deviceButton(device: Device, media: OwnMedia, until: AbortSignal): HTMLButtonElement {
  const words = WORDS[device];
  const button = h("button", { type: "button", onclick: () => void media.setOn(device, !media.isOn(device)) });
  const show = () => {
    const on = media.isOn(device);
    const label = on ? words.on : words.off;
    button.className = on ? "round" : "round off";
    button.setAttribute("aria-label", label);
    button.title = label;
    button.replaceChildren(icon(on ? words.iconOn : words.iconOff));
  };
  media.addEventListener("change", show, { signal: until });
  show();
  return button;
}
