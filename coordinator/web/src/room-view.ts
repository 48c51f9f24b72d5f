// The page during a call: a line on top, the tiles, the bar.

import type { Call, Phase } from "./call";
import { controls } from "./controls";
import { announce, h } from "./element";
import type { OwnMedia } from "./own-media";
import { Tiles } from "./tiles";

const PHASES: Record<Phase, string> = {
  joining: "Joining…",
  live: "",
  reconnecting: "Reconnecting…",
  ended: "",
};

/** Lives as long as `until` is not aborted. */
export function roomView(room: string, name: string, call: Call, media: OwnMedia, until: AbortSignal): HTMLElement {
  const tiles = new Tiles();
  const count = h("span", { class: "count" });
  const phase = h("span", { class: "phase" });
  const alone = h("p", { class: "alone" }, "You are the only one here. Send the link to somebody.");
  const view = h(
    "main",
    { class: "room" },
    h("header", {}, h("h1", {}, room), count, phase),
    tiles.element,
    alone,
    controls(room, media, () => call.leave(), until),
  );
  let shown: Phase | null = null;
  const show = () => {
    tiles.show(call, name, media);
    const others = call.people().length;
    count.textContent = others === 0 ? "just you" : `${others + 1} people`;
    alone.hidden = others > 0 || call.phase !== "live";
    view.dataset.phase = call.phase;
    phase.textContent = PHASES[call.phase];
    if (shown !== call.phase && PHASES[call.phase]) announce(PHASES[call.phase]);
    shown = call.phase;
  };
  call.addEventListener("change", show, { signal: until });
  media.addEventListener("change", show, { signal: until });
  until.addEventListener("abort", () => tiles.close());
  show();
  return view;
}
