// Two and four people in one room see and hear each other, in every codec, and nobody else does.

import assert from "node:assert/strict";
import { allConverse, publishAll } from "../harness/conversation";
import { eventually, never } from "../harness/patience";
import { scenario } from "../harness/scenario";

const CODECS = { vp8: "video/VP8", h264: "video/H264", vp9: "video/VP9", av1: "video/AV1" } as const;

for (const [videoCodec, mimeType] of Object.entries(CODECS) as [keyof typeof CODECS, string][]) {
  scenario(`two people in a ${videoCodec} room see and hear each other`, async (stage) => {
    const room = await stage.room({ videoCodec });
    const peers = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
    await allConverse(await publishAll(peers), mimeType);
  });
}

for (const videoCodec of ["vp8", "h264"] as const) {
  scenario(
    `four people who publish at the same time in a ${videoCodec} room see and hear each other`,
    async (stage) => {
      const room = await stage.room({ videoCodec });
      const peers = await Promise.all(["ann", "bob", "cem", "dia"].map((name) => stage.enter(room, name)));
      await allConverse(await publishAll(peers), CODECS[videoCodec]);
    },
  );
}

scenario("a room learns nothing about its neighbour", async (stage) => {
  const [here, there] = await Promise.all([stage.room(), stage.room()]);
  const [ann, bob, eve] = await Promise.all([
    stage.enter(here, "ann"),
    stage.enter(here, "bob"),
    stage.enter(there, "eve"),
  ]);
  const [inside] = await Promise.all([publishAll([ann, bob]), eve.publish()]);
  await allConverse(inside);
  const heardOf = async () => [...(await eve.peers()), ...(await eve.tracks()), ...(await eve.happened("peerJoined"))];
  await never("eve hears of the other room", async () => (await heardOf()).length);
  assert.deepEqual(
    (await ann.peers()).map(({ id }) => id),
    [bob.id],
  );
  assert.deepEqual(
    (await stage.api.room(there)).peers.map(({ id }) => id),
    [eve.id],
  );
});

scenario("an audio room carries sound and refuses pictures", async (stage) => {
  const room = await stage.room({ roomType: "audio_only" });
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  const [microphone] = await Promise.all([ann.publishMicrophone(), bob.publishMicrophone()]);
  await bob.hears(microphone);
  await assert.rejects(ann.publishCamera(), /audio-only/);
});

scenario("a room tells its back end who is connected and what they publish", async (stage) => {
  const room = await stage.room();
  const ann = await stage.enter(room, "ann");
  const { camera, microphone } = await ann.publish();
  const tracks = await eventually("both tracks are listed", async () => {
    const [peer] = (await stage.api.room(room)).peers;
    return peer?.status === "connected" && peer.tracks.length === 2 ? peer.tracks : null;
  });
  assert.deepEqual(Object.fromEntries(tracks.map(({ id, type }) => [id, type])), {
    [camera]: "video",
    [microphone]: "audio",
  });
});
