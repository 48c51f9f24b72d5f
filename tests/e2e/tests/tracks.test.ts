// What people do with their tracks during a call.

import assert from "node:assert/strict";
import { eventually, settles } from "../harness/patience";
import type { Peer } from "../harness/peer";
import { type Stage, scenario } from "../harness/scenario";

const SCREEN = { width: 640, height: 360, fps: 5 };

scenario("a muted camera stops for the others and goes on after it", async (stage) => {
  const { ann, bob, camera } = await pair(stage);
  await bob.decodes(camera);
  await ann.mute(camera, "camera");
  await eventually("bob knows that it is muted", async () => (await bob.track(camera))?.paused);
  await settles("what bob decodes", async () => (await bob.track(camera))?.framesDecoded);
  await ann.unmute(camera, "camera");
  await bob.decodes(camera);
  await eventually("bob knows that it is back", async () => (await bob.track(camera))?.paused === false);
});

scenario("a muted microphone falls silent for the others and is heard after it", async (stage) => {
  const { ann, bob, microphone } = await pair(stage);
  await bob.hears(microphone);
  await ann.mute(microphone, "microphone");
  await settles("the energy that bob hears", async () => (await bob.track(microphone))?.audioEnergy.toFixed(3));
  await ann.unmute(microphone, "microphone");
  await bob.hears(microphone);
});

scenario("a replaced track goes on under its name with the new picture", async (stage) => {
  const { ann, bob, camera } = await pair(stage);
  await bob.decodes(camera, { width: 320, height: 180 });
  await ann.replace(camera, { width: 480, height: 270, fps: 10 });
  await bob.decodes(camera, { width: 480, height: 270 });
  assert.deepEqual(await bob.happened("trackRemoved"), []);
});

scenario("a shared screen is a second video beside the camera", async (stage) => {
  const { ann, bob, camera } = await pair(stage);
  const screen = await ann.publishScreen(SCREEN);
  await Promise.all([bob.decodes(camera, { width: 320, height: 180 }), bob.decodes(screen)]);
  // A capture knows its size only after its first frames.
  await eventually("bob sees it in the size that is sent", async () => {
    const [size, track] = await Promise.all([sentSize(ann, screen), bob.track(screen)]);
    return track?.frameWidth === size.width && track.frameHeight === size.height;
  });
  assert.equal((await bob.track(screen))?.type, "screenShareVideo");
});

scenario("a shared screen has its own sound, apart from camera and microphone", async (stage) => {
  const { ann, bob, camera, microphone } = await pair(stage);
  const [screen, sound] = await Promise.all([ann.publishScreen(SCREEN), ann.publishTone("screenShareAudio")]);
  await ann.sound(sound, 0.5);
  await Promise.all([bob.decodes(camera), bob.decodes(screen), bob.hears(microphone), bob.hears(sound)]);
  for (const id of [camera, microphone, screen, sound]) {
    const track = await bob.track(id);
    assert.ok(track?.leadsStream, `who plays the stream of ${track?.type} plays it: ${track?.stream}`);
  }
});

scenario("a track that ends is taken away, and a later one takes its place", async (stage) => {
  const { ann, bob, camera } = await pair(stage);
  for (let round = 0; round < 3; round++) {
    const screen = await ann.publishDrawn(SCREEN);
    await bob.decodes(screen, SCREEN);
    await ann.removeTrack(screen);
    await eventually("the screen is gone", async () => !(await bob.track(screen)));
  }
  await bob.decodes(camera);
});

async function pair(stage: Stage): Promise<{ ann: Peer; bob: Peer; camera: string; microphone: string }> {
  const room = await stage.room();
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  return { ann, bob, ...(await ann.publish()) };
}

async function sentSize(peer: Peer, id: string): Promise<{ width: number; height: number }> {
  const { width, height } = (await peer.page.evaluate((i) => window.handles.sentSize(i), id)) ?? {};
  return { width: width ?? 0, height: height ?? 0 };
}
