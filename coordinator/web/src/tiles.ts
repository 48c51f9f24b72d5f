// The grid of tiles: one for oneself, one per person, one per shared screen. Kept in step with the call by key, so that a
// playing video is never taken out of the page.

import type { Call, Person } from "./call";
import { h, icon } from "./element";
import { icons } from "./icons";
import { grid } from "./layout";
import type { OwnMedia } from "./own-media";

const GAP_PX = 12;
const HUES = 12;

/** What a tile shows. */
interface Face {
  key: string;
  name: string;
  label: string;
  video: MediaStreamTrack | null;
  audio: MediaStreamTrack | null;
  muted: boolean;
  kind: "self" | "person" | "screen";
}

export class Tiles {
  readonly element = h("ul", { class: "tiles", "aria-label": "People in this room" });
  private readonly tiles = new Map<string, Tile>();
  private readonly sizes = new ResizeObserver(() => this.arrange());

  constructor() {
    this.sizes.observe(this.element);
  }

  show(call: Call, ownName: string, media: OwnMedia): void {
    const faces = [own(ownName, media), ...call.people().flatMap(facesOf)];
    const keys = new Set(faces.map((face) => face.key));
    for (const [key, tile] of this.tiles) {
      if (keys.has(key)) continue;
      tile.close();
      this.tiles.delete(key);
    }
    for (const face of faces) this.tile(face).show(face);
    this.arrange();
  }

  close(): void {
    this.sizes.disconnect();
    for (const tile of this.tiles.values()) tile.close();
    this.tiles.clear();
  }

  private tile(face: Face): Tile {
    const known = this.tiles.get(face.key);
    if (known) return known;
    const tile = new Tile(face);
    this.tiles.set(face.key, tile);
    this.element.append(tile.element);
    return tile;
  }

  private arrange(): void {
    const { clientWidth, clientHeight } = this.element;
    const { width, height } = grid(this.tiles.size, clientWidth, clientHeight, GAP_PX);
    this.element.style.setProperty("--tile", `${width}px`);
    this.element.style.setProperty("--tile-height", `${height}px`);
    this.element.style.setProperty("--gap", `${GAP_PX}px`);
  }
}

class Tile {
  readonly element: HTMLLIElement;
  private readonly video = h("video", { autoplay: true, playsinline: true, "aria-hidden": "true" });
  private readonly audio = h("audio", { autoplay: true });
  private readonly initials = h("span", { class: "initials", "aria-hidden": "true" });
  private readonly name = h("span", { class: "name" });
  private readonly muted = h("span", { class: "muted", role: "img", "aria-label": "muted" }, icon(icons.microphoneOff));

  constructor(face: Face) {
    // The sound has an element of its own: a video element that is hidden or without frames may hold it back.
    this.video.muted = true;
    this.element = h(
      "li",
      { class: `tile ${face.kind}`, style: `--hue: ${hue(face.key)}` },
      this.initials,
      this.video,
      this.audio,
      h("span", { class: "plate" }, this.muted, this.name),
    );
  }

  show(face: Face): void {
    play(this.video, face.video);
    play(this.audio, face.audio);
    this.video.hidden = face.video === null;
    this.initials.textContent = initials(face.name);
    this.name.textContent = face.label;
    this.muted.hidden = !face.muted;
  }

  close(): void {
    play(this.video, null);
    play(this.audio, null);
    this.element.remove();
  }
}

function own(name: string, media: OwnMedia): Face {
  const muted = media.track("microphone") === null;
  return { key: "self", name, label: `${name} (you)`, video: media.track("camera"), audio: null, muted, kind: "self" };
}

function facesOf(person: Person): Face[] {
  const { id, name, camera, microphone, muted } = person;
  const face: Face = { key: id, name, label: name, video: camera, audio: microphone, muted, kind: "person" };
  const screens = person.screens.map<Face>((screen) => ({
    ...face,
    key: screen.id,
    label: `${name}’s screen`,
    video: screen.track,
    audio: null,
    muted: false,
    kind: "screen",
  }));
  return [face, ...screens];
}

function play(element: HTMLMediaElement, track: MediaStreamTrack | null): void {
  const playing = element.srcObject instanceof MediaStream ? element.srcObject.getTracks()[0] : null;
  if ((playing ?? null) !== track) element.srcObject = track ? new MediaStream([track]) : null;
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("");
}

/** A colour that stays with its peer. */
function hue(key: string): number {
  let sum = 0;
  for (const character of key) sum = (sum * 31 + character.charCodeAt(0)) % HUES;
  return sum * (360 / HUES);
}
