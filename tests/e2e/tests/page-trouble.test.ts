// What goes wrong in front of people is said in words, and the call goes on as far as it can.

import type { BrowserContext } from "playwright-core";
import { DESK, join, linkTo, meet, OTHERS, pictures, plays, press, tileOf, visit, visitIn } from "../harness/meeting";
import { eventually } from "../harness/patience";
import { type Stage, scenario } from "../harness/scenario";

scenario("someone who denies the camera is told so and joins without it", async (stage) => {
  const context = await refusing(stage, "NotAllowedError");
  const link = linkTo(stage, "denied");
  const [ann, bob] = await Promise.all([visitIn(context, link, "Ann"), visit(stage, link, "Bob")]);
  await ann.getByText("may not use your microphone or camera").first().waitFor();
  await pictures(ann, "denied");
  await Promise.all([join(ann), join(bob)]);
  await plays(ann, "Bob");
  await bob.locator(OTHERS, { hasText: "Ann" }).getByRole("img", { name: "muted" }).waitFor();
});

scenario("a machine without devices, and devices that are taken, are told apart", async (stage) => {
  const bare = await refusing(stage, "NotFoundError");
  await bare.addInitScript(() => {
    navigator.mediaDevices.enumerateDevices = async () => [];
  });
  const [ann, bob] = await Promise.all([
    visitIn(bare, linkTo(stage, "none"), "Ann"),
    visitIn(await refusing(stage, "NotReadableError"), linkTo(stage, "busy"), "Bob"),
  ]);
  await ann.getByText("No microphone or camera was found.").waitFor();
  await bob.getByText("Another program holds your microphone or camera.").waitFor();
  await join(ann);
});

scenario("a camera that is pulled out is missed, and can be switched on again", async (stage) => {
  const link = linkTo(stage, "lost");
  const context = await stage.guest({ viewport: DESK });
  await context.addInitScript(() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    const tracks: MediaStreamTrack[] = [];
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      const stream = await open(constraints);
      tracks.push(...stream.getVideoTracks());
      return stream;
    };
    Object.assign(window, { pull: () => tracks.at(-1)?.dispatchEvent(new Event("ended")) });
  });
  const [ann, bob] = await Promise.all([visitIn(context, link, "Ann"), visit(stage, link, "Bob")]);
  await Promise.all([join(ann), join(bob)]);
  await plays(bob, "Ann");
  await ann.evaluate(() => (window as unknown as { pull: () => void }).pull());
  await ann.getByRole("status").getByText("Your camera was unplugged or taken away.").waitFor();
  await tileOf(bob, "Ann").locator("video").waitFor({ state: "hidden" });
  await press(ann, "Camera on");
  await plays(bob, "Ann");
});

scenario("a browser that holds back the sound gets a button", async (stage) => {
  const context = await stage.guest({ viewport: DESK });
  await context.addInitScript(() => {
    const play = HTMLAudioElement.prototype.play;
    HTMLAudioElement.prototype.play = function () {
      return navigator.userActivation.isActive && this.dataset.touched
        ? play.call(this)
        : Promise.reject(new DOMException("touch me first", "NotAllowedError"));
    };
    addEventListener("pointerdown", (event) => {
      if (!(event.target as HTMLElement).closest(".hear")) return;
      for (const audio of document.querySelectorAll("audio")) audio.dataset.touched = "yes";
    });
  });
  const link = linkTo(stage, "silent");
  const [ann, bob] = await Promise.all([visitIn(context, link, "Ann"), visit(stage, link, "Bob")]);
  await Promise.all([join(ann), join(bob)]);
  await press(ann, "Click to hear the others");
  await ann.getByRole("button", { name: "Click to hear the others" }).waitFor({ state: "detached" });
});

scenario("a server that is gone for good is called lost, and one may try again", async (stage) => {
  const link = linkTo(stage, "gone");
  const context = await stage.guest({ viewport: DESK });
  let gone = false;
  await context.routeWebSocket(/socket\/peer/, (socket) => {
    if (gone) return socket.close({ code: 1011, reason: "gone" });
    const server = socket.connectToServer();
    Object.assign(socket, { cut: () => server.close() });
    cuts.push(() => socket.close({ code: 1011, reason: "gone" }));
  });
  const cuts: (() => Promise<void>)[] = [];
  await context.clock.install();
  const ann = await visitIn(context, link, "Ann");
  await join(ann);
  gone = true;
  for (const cut of cuts) await cut();
  await ann.getByText("Reconnecting…").first().waitFor();
  await eventually("all attempts are over", async () => {
    await context.clock.fastForward(DELAY_MS_MAX);
    return ann.getByRole("heading", { name: "The call is over" }).isVisible();
  });
  await ann.getByText("The connection was lost.").waitFor();
  gone = false;
  await press(ann, "Rejoin");
  await ann.locator('main[data-phase="live"]').waitFor();
});

scenario("someone who is removed by the back end is told so", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "removed"), "Ann", "Bob");
  const room = `demo-${new URL(ann?.url() ?? "").pathname.slice(3)}`;
  const { peers } = await stage.api.room(room);
  await Promise.all(peers.map(({ id }) => stage.api.deletePeer({ room, peer: id, token: "" })));
  for (const page of [ann, bob]) await page?.getByText(/You were removed from this room/).waitFor();
  if (ann) await pictures(ann, "removed");
});

/** More than the longest time between two attempts of the page. */
const DELAY_MS_MAX = 15_000;

/** A browser in which no device opens. */
async function refusing(stage: Stage, name: string): Promise<BrowserContext> {
  const context = await stage.guest({ viewport: DESK });
  await context.addInitScript((error) => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("refused", error));
  }, name);
  return context;
}
