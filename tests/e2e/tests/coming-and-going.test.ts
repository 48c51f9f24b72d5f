// People join late, leave, come back, and in any order leave nothing behind.

import assert from "node:assert/strict";
import { allConverse, publishAll, type Speaker } from "../harness/conversation";
import { eventually } from "../harness/patience";
import { Random } from "../harness/random";
import { type Stage, scenario } from "../harness/scenario";

scenario("someone who joins late sees and hears those who were there", async (stage) => {
  const room = await stage.room();
  const early = await publishAll(await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]));
  await allConverse(early);
  const late = await stage.enter(room, "cem");
  assert.equal((await late.peers()).length, 2);
  await Promise.all(early.flatMap(({ camera, microphone }) => [late.decodes(camera), late.hears(microphone)]));
  await allConverse([...early, ...(await publishAll([late]))]);
});

scenario("someone who leaves is gone for the others and can come back", async (stage) => {
  const room = await stage.room();
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  const [annSpeaks, bobSpeaks] = await publishAll([ann, bob]);
  await bob.decodes(annSpeaks?.camera ?? "");
  await ann.leave();
  await eventually("bob sees nobody", async () => (await bob.peers()).length + (await bob.tracks()).length === 0);
  await stage.admit(ann, await stage.api.addPeer(room));
  const [back] = await publishAll([ann]);
  await allConverse([back, bobSpeaks] as Speaker[]);
});

scenario("someone who closes the window is gone for the others", async (stage) => {
  const room = await stage.room();
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  const { camera } = await ann.publish();
  await bob.decodes(camera);
  await ann.close();
  await eventually("bob sees nobody", async () => (await bob.peers()).length + (await bob.tracks()).length === 0);
});

const JOINS = 10;
const PRESENT_MAX = 4;

scenario("ten people who come and go in random order leave no ghosts", async (stage) => {
  const random = new Random();
  console.log(`seed: E2E_SEED=${random.seed}`);
  const room = await stage.room();
  const witness = await publishAll([await stage.enter(room, "witness")]);
  let present: Speaker[] = [];
  for (let joined = 0; joined < JOINS; ) {
    const leaves = present.length === PRESENT_MAX || (present.length > 0 && random.below(2) === 0);
    if (leaves) present = await leave(present, random);
    else present.push(...(await publishAll([await stage.enter(room, `guest-${joined++}`)])));
  }
  const expected = [...witness, ...present];
  await allConverse(expected);
  for (const speaker of expected) await seesExactly(speaker, expected);
  await listsExactly(stage, room, expected);
});

async function leave(present: Speaker[], random: Random): Promise<Speaker[]> {
  const gone = random.pick(present);
  await (random.below(2) === 0 ? gone.peer.leave() : gone.peer.close());
  return present.filter((speaker) => speaker !== gone);
}

async function seesExactly({ peer }: Speaker, expected: Speaker[]): Promise<void> {
  const others = expected.filter((other) => other.peer !== peer);
  await eventually(`${peer.name} sees the others and no ghosts`, async () => {
    const peers = (await peer.peers()).map(({ id }) => id);
    const tracks = (await peer.tracks()).map(({ id }) => id);
    return (
      same(
        peers,
        others.map((other) => other.peer.id),
      ) && same(tracks, others.flatMap(tracksOf))
    );
  });
}

async function listsExactly(stage: Stage, room: string, expected: Speaker[]): Promise<void> {
  await eventually("the back end lists those who are there and no ghosts", async () => {
    const { peers } = await stage.api.room(room);
    const connected = peers.filter(({ status }) => status === "connected").map(({ id }) => id);
    const tracks = peers.flatMap((peer) => peer.tracks.map(({ id }) => id));
    return (
      same(
        connected,
        expected.map(({ peer }) => peer.id),
      ) && same(tracks, expected.flatMap(tracksOf))
    );
  });
}

function tracksOf({ camera, microphone }: Speaker): string[] {
  return [camera, microphone];
}

function same(some: string[], others: string[]): boolean {
  return JSON.stringify([...some].sort()) === JSON.stringify([...others].sort());
}
