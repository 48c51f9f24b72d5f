// Before the call: who one is, which room, and how one looks and sounds.

import { deviceButton } from "./device-button";
import { DEVICES, explain } from "./devices";
import { announce, h } from "./element";
import { JoinRefused } from "./join";
import type { OwnMedia } from "./own-media";
import { inventRoom, roomName } from "./room-link";

const NAME_KEY = "velella.name";
const NAME_LENGTH_MAX = 40;

/** How people go from the lobby into a room; rejects with `JoinRefused` when they cannot. */
type Enter = (room: string, name: string) => Promise<void>;

export interface Welcome {
  /** From the link; `null` for a new room. */
  room: string | null;
  /** Why one is back here. */
  notice: string | null;
}

export function lobby(welcome: Welcome, media: OwnMedia, enter: Enter, until: AbortSignal): HTMLElement {
  const name = field("Your name", "name", localStorage.getItem(NAME_KEY) ?? "", "Ann");
  const room = field("Room", "room", welcome.room ?? inventRoom(), "calm-bay");
  const notice = h("p", { class: "notice", role: "alert" }, welcome.notice);
  const button = h("button", { type: "submit", class: "primary" }, "Join");
  const submit = async (event: Event) => {
    event.preventDefault();
    const to = roomName(room.input.value);
    const as = name.input.value.trim();
    if (!as) return name.input.focus();
    if (!to) return room.input.focus();
    localStorage.setItem(NAME_KEY, as);
    notice.textContent = "";
    busy(button, true);
    await enter(to, as).catch((error) => {
      notice.textContent = error instanceof JoinRefused ? error.message : "Something went wrong. Try again.";
      busy(button, false);
    });
  };
  const form = h(
    "form",
    { class: "card", onsubmit: submit as EventListener, novalidate: true },
    name.row,
    room.row,
    button,
    notice,
  );
  return h(
    "main",
    { class: "lobby" },
    h("header", {}, h("h1", {}, "Velella"), h("p", {}, "Open a room, send its link, talk.")),
    h("div", { class: "entry" }, preview(media, until), form),
  );
}

function preview(media: OwnMedia, until: AbortSignal): HTMLElement {
  const video = h("video", { autoplay: true, playsinline: true, "aria-label": "Your camera" });
  video.muted = true;
  const empty = h("p", { class: "empty" }, "Your camera is off");
  const trouble = h("p", { class: "trouble" });
  const show = () => {
    const track = media.track("camera");
    if (!track) video.srcObject = null;
    else if (!video.srcObject) video.srcObject = new MediaStream([track]);
    video.hidden = track === null;
    empty.hidden = track !== null;
    const words = explain(media.troubles());
    if (words && words !== trouble.textContent) announce(words);
    trouble.textContent = words;
  };
  media.addEventListener("change", show, { signal: until });
  show();
  const buttons = DEVICES.map((device) => deviceButton(device, media, until));
  return h(
    "div",
    { class: "preview" },
    h("div", { class: "mirror" }, empty, video, h("div", { class: "switches" }, ...buttons)),
    trouble,
  );
}

function field(label: string, id: string, value: string, placeholder: string) {
  const input = h("input", { id, name: id, value, placeholder, autocomplete: id === "name" ? "name" : "off" });
  input.maxLength = NAME_LENGTH_MAX;
  input.spellcheck = false;
  return { input, row: h("div", { class: "field" }, h("label", { for: id }, label), input) };
}

function busy(button: HTMLButtonElement, waiting: boolean): void {
  button.disabled = waiting;
  button.textContent = waiting ? "Joining…" : "Join";
}
