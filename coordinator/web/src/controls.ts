// The bar below the tiles: microphone, camera, link, leave.

import { deviceButton } from "./device-button";
import { announce, h, icon } from "./element";
import { icons } from "./icons";
import type { OwnMedia } from "./own-media";
import { pathOfRoom } from "./room-link";

/** How long "Link copied" stays. */
const COPIED_MS = 2_000;

export function controls(room: string, media: OwnMedia, leave: () => void, until: AbortSignal): HTMLElement {
  return h(
    "div",
    { class: "controls", role: "toolbar", "aria-label": "Call" },
    deviceButton("microphone", media, until),
    deviceButton("camera", media, until),
    copyLink(room),
    h(
      "button",
      { type: "button", class: "round leave", "aria-label": "Leave", title: "Leave", onclick: leave },
      icon(icons.leave),
    ),
  );
}

function copyLink(room: string): HTMLButtonElement {
  const button = h(
    "button",
    { type: "button", class: "round", "aria-label": "Copy link", title: "Copy link" },
    icon(icons.link),
  );
  button.addEventListener("click", async () => {
    const copied = await copy(location.origin + pathOfRoom(room));
    announce(copied ? "Link copied" : "The link could not be copied: take it from the address bar");
    if (!copied) return;
    button.replaceChildren(icon(icons.done));
    setTimeout(() => button.replaceChildren(icon(icons.link)), COPIED_MS);
  });
  return button;
}

async function copy(text: string): Promise<boolean> {
  // Only secure pages have a clipboard.
  if (!navigator.clipboard) return false;
  return navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  );
}
