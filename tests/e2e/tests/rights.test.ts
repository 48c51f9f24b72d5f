// What a token allows, its peer can do, and nothing else.

import assert from "node:assert/strict";
import { eventually, never } from "../harness/patience";
import { scenario } from "../harness/scenario";

scenario("who may not publish sends nothing, and receives all the same", async (stage) => {
  const room = await stage.room();
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob", { scopes: ["subscribe"] })]);
  const { camera, microphone } = await ann.publish();
  await bob.publish();
  const lines = await eventually("bob's offer is answered", async () => {
    const lines = await bob.sendingLines();
    return lines.length === 2 && lines.every(({ agreed }) => agreed !== null) ? lines : null;
  });
  assert.deepEqual(
    lines.map(({ agreed }) => agreed),
    ["inactive", "inactive"],
  );
  await Promise.all([bob.decodes(camera), bob.hears(microphone)]);
  await never("ann hears of a track", async () => (await ann.tracks()).length);
  assert.equal((await ann.peers())[0]?.id, bob.id, "she sees him");
  const { peers } = await stage.api.room(room);
  assert.deepEqual(peers.find(({ id }) => id === bob.id)?.tracks, []);
});

scenario("who may not subscribe receives nothing, chosen or not, and is received all the same", async (stage) => {
  const room = await stage.room();
  const [ann, bob, cem] = await Promise.all([
    stage.enter(room, "ann"),
    stage.enter(room, "bob", { scopes: ["publish"] }),
    stage.enter(room, "cem", { scopes: ["publish"], subscribeMode: "manual" }),
  ]);
  await ann.publish();
  const { camera, microphone } = await bob.publish();
  await Promise.all([ann.decodes(camera), ann.hears(microphone)]);
  await stage.api.subscribePeer(cem.seat, ann.seat);
  for (const deaf of [bob, cem]) {
    assert.equal((await deaf.peers()).length, 2, `${deaf.name} sees who is there`);
    await never(`${deaf.name} hears of a track`, async () => (await deaf.tracks()).length);
  }
});

scenario("a moderator sees the room and removes somebody from it, and nobody else can", async (stage) => {
  const room = await stage.room();
  const [ann, bob, cem] = await Promise.all([
    stage.enter(room, "ann", { scopes: ["publish", "subscribe", "admin"] }),
    stage.enter(room, "bob"),
    stage.enter(room, "cem"),
  ]);
  const { camera } = await ann.publish();
  await Promise.all([bob.decodes(camera), cem.decodes(camera)]);

  await assert.rejects(stage.api.as(bob.seat.token).deletePeer(cem.seat), /40[13]/);
  const moderator = stage.api.as(ann.seat.token);
  assert.equal((await moderator.room(room)).peers.length, 3);
  await moderator.deletePeer(bob.seat);
  await eventually("bob is told", async () => (await bob.happened("socketClose")).length);
  const [closed] = await bob.happened("socketClose");
  assert.match(JSON.stringify(closed?.detail), /peer removed/i);
  await eventually("bob is gone", async () => (await cem.peers()).every(({ id }) => id !== bob.id));
  await eventually("bob stays out", async () => (await bob.happened("authError")).length);
  await cem.decodes(camera);
});

scenario("a moderator rules one room only, and only its peers", async (stage) => {
  const [room, other] = await Promise.all([stage.room(), stage.room()]);
  const [place, stranger] = await Promise.all([
    stage.api.addPeer(room, { scopes: ["admin"] }),
    stage.api.addPeer(other),
  ]);
  const moderator = stage.api.as(place.token);
  await assert.rejects(moderator.deletePeer(stranger), /403/);
  await assert.rejects(moderator.room(other), /403/);
  await assert.rejects(moderator.deleteRoom(room), /403/);
  await assert.rejects(moderator.addPeer(room), /403/);
  assert.equal((await stage.api.room(other)).peers.length, 1);
});
