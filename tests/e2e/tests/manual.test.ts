// A peer in manual mode receives what its back end chooses for it, track by track.

import assert from "node:assert/strict";
import { eventually, never, settles } from "../harness/patience";
import type { Peer } from "../harness/peer";
import { type Stage, scenario } from "../harness/scenario";

scenario("a peer in manual mode gets nobody's tracks until it is subscribed to somebody", async (stage) => {
  const { ann, bob, cem } = await cast(stage);
  const [camera, microphone, others] = [await ann.publishCamera(), await ann.publishMicrophone(), await cem.publish()];
  await cem.decodes(camera);
  assert.equal((await bob.peers()).length, 2, "he sees who is there");
  await never("bob gets what nobody chose for him", async () => (await bob.tracks()).length);

  await stage.api.subscribePeer(bob.seat, ann.seat);
  await Promise.all([bob.decodes(camera), bob.hears(microphone)]);
  assert.deepEqual(await received(bob), [camera, microphone].sort());

  await stage.api.unsubscribePeer(bob.seat, ann.seat);
  await eventually("bob gets nothing any more", async () => (await bob.tracks()).length === 0);
  await cem.decodes(camera);

  await stage.api.subscribePeer(bob.seat, cem.seat);
  await Promise.all([bob.decodes(others.camera), bob.hears(others.microphone)]);
});

scenario("a peer in manual mode gets single tracks, and loses them one by one", async (stage) => {
  const { ann, bob, cem } = await cast(stage);
  const [{ camera, microphone }, others] = await Promise.all([ann.publish(), cem.publish()]);
  await Promise.all([cem.decodes(camera), ann.decodes(others.camera)]);

  await stage.api.subscribeTracks(bob.seat, microphone);
  await bob.hears(microphone);
  assert.deepEqual(await received(bob), [microphone]);

  await stage.api.subscribeTracks(bob.seat, camera, others.camera);
  await Promise.all([bob.decodes(camera), bob.decodes(others.camera), bob.hears(microphone)]);

  await stage.api.unsubscribeTracks(bob.seat, camera);
  await eventually("bob loses that camera only", async () => (await received(bob)).length === 2);
  await Promise.all([bob.decodes(others.camera), bob.hears(microphone)]);
  assert.deepEqual(await received(bob), [microphone, others.camera].sort());
});

scenario(
  "a peer in manual mode gets later tracks of those whom it is subscribed to, and of nobody else",
  async (stage) => {
    const { ann, bob, cem } = await cast(stage);
    await stage.api.subscribePeer(bob.seat, ann.seat);
    const others = await cem.publish();
    const camera = await ann.publishCamera();
    await Promise.all([bob.decodes(camera), ann.decodes(others.camera)]);
    const microphone = await ann.publishMicrophone();
    await bob.hears(microphone);
    await ann.removeTrack(camera);
    await eventually("the camera is gone", async () => !(await bob.track(camera)));
    await bob.decodes(await ann.publishDrawn({ width: 320, height: 180, fps: 10 }));
    assert.ok(!(await received(bob)).includes(others.camera));
  },
);

scenario("a subscription is still there for a peer that went away and came back", async (stage) => {
  const { ann, bob } = await cast(stage);
  await stage.api.subscribePeer(bob.seat, ann.seat);
  const { camera } = await ann.publish();
  await bob.decodes(camera);
  await bob.leave();
  await stage.admit(bob, bob.seat);
  await bob.decodes(camera);
});

scenario("who receives by choice is received by everybody", async (stage) => {
  const { ann, bob, cem } = await cast(stage);
  const { camera, microphone } = await bob.publish();
  await Promise.all([ann, cem].flatMap((peer) => [peer.decodes(camera), peer.hears(microphone)]));
  await settles("what bob gets", async () => (await bob.tracks()).length);
  assert.deepEqual(await bob.tracks(), []);
});

/** Bob alone is in manual mode. */
async function cast(stage: Stage): Promise<{ ann: Peer; bob: Peer; cem: Peer }> {
  const room = await stage.room();
  const [ann, bob, cem] = await Promise.all([
    stage.enter(room, "ann"),
    stage.enter(room, "bob", { subscribeMode: "manual" }),
    stage.enter(room, "cem"),
  ]);
  return { ann, bob, cem };
}

async function received(peer: Peer): Promise<string[]> {
  return (await peer.tracks()).map(({ id }) => id).sort();
}
