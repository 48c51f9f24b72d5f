// The page that people open: by link into a room, see and hear, be told when something is wrong.

import assert from "node:assert/strict";
import type { BrowserContext, Page, WebSocketRoute } from "playwright-core";
import { eventually } from "../harness/patience";
import { type Stage, scenario } from "../harness/scenario";

const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const OTHERS = "li.tile.person";

scenario("two people who open the same link see each other, mute, and leave", async (stage) => {
  const link = linkTo(stage, "link");
  const [ann, bob] = await Promise.all([visit(stage, link, "Ann Lee"), visit(stage, link, "Bob")]);
  await Promise.all([join(ann), join(bob)]);
  await Promise.all([plays(ann, "Bob"), plays(bob, "Ann Lee")]);
  await pictures(ann, "room");

  await ann.getByRole("button", { name: "Mute" }).click();
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor();
  await ann.getByRole("button", { name: "Camera off" }).click();
  await bob.locator(`${OTHERS} video`).waitFor({ state: "hidden" });
  await pictures(bob, "camera-off");
  await ann.getByRole("button", { name: "Unmute" }).click();
  await ann.getByRole("button", { name: "Camera on" }).click();
  await plays(bob, "Ann Lee");
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor({ state: "hidden" });

  await ann.getByRole("button", { name: "Leave" }).click();
  await ann.getByRole("button", { name: "Join" }).waitFor();
  await bob.locator(OTHERS).waitFor({ state: "detached" });
});

scenario("an h264 room can be asked for in the link", async (stage) => {
  const link = `${linkTo(stage, "codec")}?codec=h264`;
  const [ann, bob] = await Promise.all([visit(stage, link, "Ann"), visit(stage, link, "Bob")]);
  // One after the other: the first one makes the room.
  await join(ann);
  await join(bob);
  await Promise.all([plays(ann, "Bob"), plays(bob, "Ann")]);
});

scenario("a room's name on the first page leads to its link", async (stage) => {
  const ann = await visit(stage, `${stage.server.origin}/`, "Ann");
  await ann.getByLabel("Room").fill(" Tea Time! ");
  await join(ann);
  assert.equal(new URL(ann.url()).pathname, "/r/tea-time");
  await ann.getByText("You are the only one here").waitFor();
  await ann.goBack();
  await ann.getByRole("button", { name: "Join" }).waitFor();
});

scenario("someone whose connection breaks while muted comes back muted and can speak again", async (stage) => {
  const link = linkTo(stage, "break");
  const context = await stage.guest();
  const sockets: WebSocketRoute[] = [];
  await context.routeWebSocket(/socket\/peer/, (socket) => {
    sockets.push(socket);
    socket.connectToServer();
  });
  const [ann, bob] = await Promise.all([visitIn(context, link, "Ann"), visit(stage, link, "Bob")]);
  await Promise.all([join(ann), join(bob)]);
  await plays(bob, "Ann");
  await ann.getByRole("button", { name: "Mute" }).click();
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor();

  const shown = ann.getByText("Reconnecting…").first().waitFor();
  await sockets[0]?.close({ code: 1011, reason: "cut by the test" });
  await shown;
  await eventually("ann is back", async () => (await ann.locator("main").getAttribute("data-phase")) === "live");
  await Promise.all([plays(bob, "Ann"), plays(ann, "Bob")]);
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor();
  await ann.getByRole("button", { name: "Unmute" }).click();
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor({ state: "hidden" });
});

scenario("someone who denies the camera is told so and joins without it", async (stage) => {
  const context = await stage.guest();
  await context.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("denied", "NotAllowedError"));
  });
  const link = linkTo(stage, "denied");
  const [ann, bob] = await Promise.all([visitIn(context, link, "Ann"), visit(stage, link, "Bob")]);
  await ann.getByText("may not use your microphone or camera").first().waitFor();
  await pictures(ann, "denied");
  await Promise.all([join(ann), join(bob)]);
  await plays(ann, "Bob");
  await bob.locator(OTHERS, { hasText: "Ann" }).getByRole("img", { name: "muted" }).waitFor();
});

scenario("a full cluster is explained instead of joined", async (stage) => {
  const context = await stage.guest();
  await context.route("**/demo/join*", (route) =>
    route.fulfill({ status: 503, headers: { "retry-after": "5" }, body: "{}" }),
  );
  const ann = await visitIn(context, linkTo(stage, "full"), "Ann");
  await ann.getByRole("button", { name: "Join" }).click();
  await ann.getByText("All servers are busy. Try again in 5 seconds.").waitFor();
  await ann.getByRole("button", { name: "Join", disabled: false }).waitFor();
  await pictures(ann, "lobby");
});

let rooms = 0;

/** A link to a room of this run alone. */
function linkTo(stage: Stage, about: string): string {
  return `${stage.server.origin}/r/${about}-${process.pid}-${++rooms}`;
}

async function visit(stage: Stage, link: string, name: string): Promise<Page> {
  return visitIn(await stage.guest({ viewport: DESK }), link, name);
}

async function visitIn(context: BrowserContext, link: string, name: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(link);
  await page.getByLabel("Your name").fill(name);
  return page;
}

async function join(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Join" }).click();
  await page.locator('main[data-phase="live"]').waitFor();
}

/** Waits until the tile with that name shows a moving picture. */
async function plays(page: Page, name: string): Promise<void> {
  const video = page.locator(OTHERS, { hasText: name }).locator("video");
  await video.waitFor();
  const before = await video.evaluate((element: HTMLVideoElement) => element.currentTime);
  await eventually(`the tile of ${name} plays`, () =>
    video.evaluate((element: HTMLVideoElement, since) => element.videoWidth > 0 && element.currentTime > since, before),
  );
}

/** Desk and phone, light and dark, for people to look at. */
async function pictures(page: Page, name: string): Promise<void> {
  for (const [device, size] of Object.entries({ desk: DESK, phone: PHONE })) {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `artifacts/${name}-${device}-${colorScheme}.png`, animations: "disabled" });
    }
  }
  await page.setViewportSize(DESK);
}
