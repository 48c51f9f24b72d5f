// Who speaks is marked for everybody else, by the published client itself.

import assert from "node:assert/strict";
import { eventually, never } from "../harness/patience";
import type { Peer } from "../harness/peer";
import { type Stage, scenario } from "../harness/scenario";

const LOUD = 0.5;

scenario("someone who speaks is marked while speaking", async (stage) => {
  const { ann, bob, voice } = await speaker(stage);
  await never("silence is marked", async () => (await bob.happened("voice")).length);
  for (let sentence = 1; sentence <= 2; sentence++) {
    await ann.sound(voice, LOUD);
    await marked(bob, voice, "speech");
    await ann.sound(voice, 0);
    await marked(bob, voice, "silence");
  }
  const marks = (await bob.happened("voice")).map(({ detail }) => (detail as { vadStatus: string }).vadStatus);
  assert.deepEqual(marks, ["speech", "silence", "speech", "silence"]);
  assert.deepEqual(await ann.happened("voice"), []);
});

scenario("someone who is muted while speaking is marked no longer", async (stage) => {
  const { ann, bob, voice } = await speaker(stage);
  await ann.sound(voice, LOUD);
  await marked(bob, voice, "speech");
  await ann.mute(voice, "microphone");
  await marked(bob, voice, "silence");
  await ann.unmute(voice, "microphone");
  await marked(bob, voice, "speech");
});

scenario("someone who comes in the middle of a speech sees who speaks", async (stage) => {
  const { ann, bob, voice, room } = await speaker(stage);
  await ann.sound(voice, LOUD);
  await marked(bob, voice, "speech");
  const cem = await stage.enter(room, "cem");
  await marked(cem, voice, "speech");
  await ann.removeTrack(voice);
  await eventually("the voice is gone", async () => !(await cem.track(voice)));
});

async function speaker(stage: Stage): Promise<{ ann: Peer; bob: Peer; voice: string; room: string }> {
  const room = await stage.room();
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  const voice = await ann.publishTone("microphone");
  await eventually("bob receives it", async () => (await bob.track(voice))?.packetsReceived);
  return { ann, bob, voice, room };
}

async function marked(peer: Peer, id: string, status: "speech" | "silence"): Promise<void> {
  await eventually(`${peer.name} sees ${status}`, async () => (await peer.track(id))?.voice === status);
}
