// The page's two screens and the way between them: the lobby, and the room.

import { Call } from "./call";
import { DEVICES } from "./devices";
import { join } from "./join";
import { lobby, type Welcome } from "./lobby";
import { OwnMedia } from "./own-media";
import { pathOfRoom, roomOfPath } from "./room-link";
import { roomView } from "./room-view";

const media = new OwnMedia();
let screen = new AbortController();

function show(title: string, build: (until: AbortSignal) => HTMLElement): void {
  screen.abort();
  screen = new AbortController();
  document.title = title;
  document.getElementById("app")?.replaceChildren(build(screen.signal));
}

function welcome(to: Welcome): void {
  show("Velella", (until) => lobby(to, media, enter, until));
  for (const device of DEVICES) void media.setOn(device, true);
}

async function enter(room: string, name: string): Promise<void> {
  const ticket = await join(room, name, new URLSearchParams(location.search).get("codec"));
  const path = pathOfRoom(room) + location.search;
  if (path !== location.pathname + location.search) history.pushState(null, "", path);
  const call = new Call(ticket, name, media);
  call.addEventListener("change", () => {
    if (call.phase === "ended") welcome({ room, notice: call.ending });
  });
  show(`${room} · Velella`, (until) => roomView(room, name, call, media, until));
  addEventListener("popstate", () => call.leave(), { signal: screen.signal });
  addEventListener("pagehide", () => call.leave(), { signal: screen.signal });
}

welcome({ room: roomOfPath(location.pathname), notice: null });
