// Many people in one room: everyone is seen, in every layout and on every screen.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import {
  DESK,
  FLAT,
  isAccessible,
  join,
  linkTo,
  PHONE,
  pictures,
  plays,
  press,
  tilesStandApart,
  visitIn,
} from "../harness/meeting";
import { frames } from "../harness/protobuf";
import { type Stage, scenario } from "../harness/scenario";

const NAMES = ["Ann Lee", "Bob", "Cem Yılmaz", "Dia", "Eve Adams", "Finn", "Gala", "Hugo", "Ida von Hohenstein"];
const MORE = ["Jo", "Kai Moss", "Lea", "Max Petrov", "Nia", "Omar", "Pia Rossi", "Quinn", "Rui", "Sara", "Timo Berg"];
const MOST = ["Uma", "Vera", "Wim", "Xenia", "Yusuf"];

/** Windows that cost nothing to paint. */
const SMALL = { viewport: { width: 360, height: 240 } };

/** That many show a small picture; the others only sit there: two cores run all nine pages. */
const CAMERAS = 3;

scenario("nine people have their places, in the grid and around a speaker, at a desk and on a phone", async (stage) => {
  const link = linkTo(stage, "nine");
  const pages: Page[] = [];
  for (const name of NAMES) {
    const context = await stage.guest(pages.length === 0 ? { viewport: DESK } : SMALL);
    await context.addInitScript(pages.length < CAMERAS ? takeSmallPictures : takeNoPictures);
    const page = await visitIn(context, link, name);
    await join(page);
    pages.push(page);
  }
  const [ann] = pages;
  assert.ok(ann);
  const others = NAMES.slice(1);
  for (const name of others.slice(0, CAMERAS - 1)) await plays(ann, name);
  for (const layout of ["grid", "speaker"]) {
    for (const size of [DESK, PHONE, FLAT]) {
      await ann.setViewportSize(size);
      await tilesStandApart(ann, NAMES.length);
    }
    await pictures(ann, `nine-${layout}`, { desk: DESK, phone: PHONE, flat: FLAT });
    if (layout === "grid") await press(ann, "Speaker layout");
  }
});

const CROWD = [...NAMES, ...MORE, ...MOST];

scenario("twenty-five people have their places, in the grid and around a speaker", async (stage) => {
  const link = linkTo(stage, "crowd");
  const pages: Page[] = [];
  for (const name of NAMES.slice(0, CAMERAS)) {
    const context = await stage.guest(pages.length === 0 ? { viewport: DESK } : SMALL);
    await context.addInitScript(takeSmallPictures);
    const page = await visitIn(context, link, name);
    await join(page);
    pages.push(page);
  }
  const [ann] = pages;
  assert.ok(ann);
  await attend(stage, `demo-${new URL(link).pathname.slice(3)}`, CROWD.slice(CAMERAS));
  for (const name of NAMES.slice(1, CAMERAS)) await plays(ann, name);
  for (const layout of ["grid", "speaker"]) {
    for (const size of [DESK, PHONE, FLAT]) {
      await ann.setViewportSize(size);
      await tilesStandApart(ann, CROWD.length);
    }
    await pictures(ann, `crowd-${layout}`, { desk: DESK, phone: PHONE, flat: FLAT });
    await isAccessible(ann, `crowd, ${layout}`);
    if (layout === "grid") await press(ann, "Speaker layout");
  }
  await press(ann, "People");
  await ann.getByRole("heading", { name: /People/ }).waitFor();
  await pictures(ann, "crowd-people");
});

/** People who are there and say their names, and nothing else: sockets without media, all in one window. */
async function attend(stage: Stage, room: string, names: string[]): Promise<void> {
  const window = await stage.page("crowd");
  const url = `${stage.server.base("ws")}/socket/peer/websocket`;
  for (const name of names) {
    const { token } = await stage.api.addPeer(room);
    const hello = [frames.auth(token), frames.connect(name)];
    await window.page.evaluate(
      async ([address, messages]) => {
        const { raw } = globalThis.window.handles;
        const socket = await raw.open(address);
        for (const message of messages) raw.send(socket, message);
      },
      [url, hello] as const,
    );
  }
}

function takeSmallPictures(): void {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = ({ audio, video } = {}) =>
    open({ audio: audio ?? false, video: video ? { width: 160, height: 90, frameRate: 5 } : false });
  MediaStreamTrack.prototype.applyConstraints = async () => undefined;
}

function takeNoPictures(): void {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("none", "NotFoundError"));
}
