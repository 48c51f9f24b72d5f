// Livestreams over WHIP and WHEP, with the published functions: one streams, many watch.

import assert from "node:assert/strict";
import {
  encode,
  end,
  hears,
  members,
  restartIce,
  sees,
  stream,
  streamSimulcast,
  watch,
  watched,
  whep,
  whip,
} from "../harness/live";
import { eventually } from "../harness/patience";
import type { Peer } from "../harness/peer";
import { type Stage, scenario } from "../harness/scenario";
import { MANAGEMENT_TOKEN } from "../harness/server";

const PUBLIC = { roomType: "livestream", videoCodec: "vp8", public: true } as const;

/** A livestream, and what it takes to stream into it. */
async function live(stage: Stage, config: Parameters<Stage["room"]>[0] = PUBLIC) {
  const room = await stage.room(config);
  const [token, streamer] = await Promise.all([stage.api.liveToken(room, "streamer"), stage.page("streamer")]);
  return { room, token, streamer, url: whip(stage.server.origin) };
}

async function viewer(stage: Stage, room: string, name = "viewer"): Promise<Peer> {
  const page = await stage.page(name);
  await watch(page, whep(stage.server.origin, room));
  return page;
}

scenario("who is early and who is late see and hear the same stream", async (stage) => {
  const { room, token, streamer, url } = await live(stage);
  const early = await viewer(stage, room, "early");
  assert.equal((await watched(early)).framesDecoded, 0);
  await stream(streamer, url, token);
  await Promise.all([sees(early), hears(early)]);

  const late = await stage.page("late");
  await watch(late, whep(stage.server.origin), await stage.api.liveToken(room, "viewer"));
  await Promise.all([sees(late), hears(late), sees(early)]);
  assert.deepEqual(await members(stage.api, room), [1, 2]);

  await end(late);
  await eventually("late is listed no longer", async () => (await members(stage.api, room))[1] === 1);
});

scenario("a stream goes on for its viewers when the streamer leaves and comes back", async (stage) => {
  const { room, token, streamer, url } = await live(stage);
  await stream(streamer, url, token);
  const page = await viewer(stage, room);
  await sees(page);
  await end(streamer);
  await eventually("nobody streams", async () => (await members(stage.api, room))[0] === 0);
  await stream(streamer, url, token);
  await Promise.all([sees(page), hears(page)]);

  await streamer.close();
  const again = await stage.page("again");
  await stream(again, url, token);
  await Promise.all([sees(page), hears(page)]);
  assert.deepEqual(await watched(page).then(({ connections, state }) => [connections, state]), [1, "connected"]);
});

scenario("who may not stream or watch is told why in the words of the client", async (stage) => {
  const { room, token, streamer, url } = await live(stage, { ...PUBLIC, public: false });
  await stream(streamer, url, token);
  const other = await stage.page("other");
  const [second, asViewer] = await Promise.all([
    stage.api.liveToken(room, "streamer"),
    stage.api.liveToken(room, "viewer"),
  ]);
  await assert.rejects(stream(other, url, second), /streamer_already_connected/);
  await assert.rejects(stream(other, url, asViewer), /unauthorized/);
  await assert.rejects(watch(other, whep(stage.server.origin, room)), /unauthorized/);
  await assert.rejects(watch(other, whep(stage.server.origin), token), /unauthorized/);
  await assert.rejects(watch(other, whep(stage.server.origin, "nowhere")), /stream_not_found/);
});

scenario("a stream whose room moves to another worker is picked up with the same tokens", async (stage) => {
  const { room, token, streamer, url } = await live(stage);
  const viewerToken = await stage.api.liveToken(room, "viewer");
  const page = await stage.page("viewer");
  await Promise.all([stream(streamer, url, token), watch(page, whep(stage.server.origin), viewerToken)]);
  await sees(page);
  const moved = await fetch(`${stage.server.origin}/cluster/rooms/${room}/move`, {
    method: "POST",
    headers: { authorization: `Bearer ${MANAGEMENT_TOKEN}` },
  });
  assert.equal(moved.status, 200, await moved.text());
  for (const side of [streamer, page])
    await eventually(`${side.name} notices`, async () => (await watched(side)).state !== "connected");
  await Promise.all([stream(streamer, url, token), watch(page, whep(stage.server.origin), viewerToken)]);
  await Promise.all([sees(page), hears(page)]);
  assert.deepEqual(await members(stage.api, room), [1, 1]);
});

scenario("a stream goes on when its ICE begins anew", async (stage) => {
  const { room, token, streamer, url } = await live(stage);
  await encode(streamer, url, token);
  const page = await viewer(stage, room);
  await sees(page);
  const [before, after] = await restartIce(streamer);
  assert.ok(before && after && before !== after, `${before} ${after}`);
  await eventually("it is connected", async () => (await watched(streamer)).state === "connected");
  await Promise.all([sees(page), hears(page)]);
});

scenario("a stream in three sizes is seen in the largest", async (stage) => {
  const { room, token, streamer, url } = await live(stage);
  await streamSimulcast(streamer, url, token, { width: 1280, height: 720, fps: 15 });
  await sees(await viewer(stage, room), 1280);
});

scenario("a stream of sound alone is heard", async (stage) => {
  const config = { roomType: "audio_only_livestream", public: true } as const;
  const { room, token, streamer, url } = await live(stage, config);
  await stream(streamer, url, token);
  await hears(await viewer(stage, room));
});

scenario("a livestream of the codec that is the default is seen", async (stage) => {
  const { room, token, streamer, url } = await live(stage, { roomType: "livestream", public: true });
  await stream(streamer, url, token);
  await sees(await viewer(stage, room));
});

scenario("an encoder in a meeting is a participant like any other, and a page may watch the meeting", async (stage) => {
  const room = await stage.room();
  const [ann, encoder, place] = await Promise.all([
    stage.enter(room, "ann"),
    stage.page("encoder"),
    stage.api.addPeer(room),
  ]);
  await stream(encoder, whip(stage.server.origin), place.token);
  const tracks = await eventually("ann knows both tracks", async () => {
    const found = (await ann.tracks()).filter(({ peer }) => peer === place.peer);
    return found.length === 2 ? found : null;
  });
  const [camera, microphone] = ["camera", "microphone"].map((type) => tracks.find((track) => track.type === type)?.id);
  assert.ok(camera && microphone, JSON.stringify(tracks));
  await Promise.all([ann.decodes(camera), ann.hears(microphone)]);

  const [page, looker] = await Promise.all([stage.page("looker"), stage.api.addPeer(room)]);
  await watch(page, whep(stage.server.origin), looker.token);
  await Promise.all([sees(page), hears(page)]);
  await end(encoder);
  await eventually("ann sees it go", async () => !(await ann.peers()).some(({ id }) => id === place.peer));
});
