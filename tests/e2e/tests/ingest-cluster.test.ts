// Gateways as processes of a cluster: every kind of source is seen through them, and a camera is back soon after the gateway
// or the worker that it went through was killed.

import assert from "node:assert/strict";
import { Api } from "../harness/api";
import { CLIP, PICTURES } from "../harness/clips";
import { Cluster } from "../harness/cluster";
import { eventually } from "../harness/patience";
import type { Peer } from "../harness/peer";
import { type Stage, scenario } from "../harness/scenario";
import { camera, encoder } from "../harness/source";

scenario("files, cameras and encoders are seen through a cluster of processes", async (stage) => {
  const { api, room, ann } = await watcher(stage, await cluster(stage));
  const file = await api.addComponent(room, "file", { filePath: PICTURES, framerate: CLIP.fps });
  const door = await camera(["--audio", "pcmu"]);
  stage.atEnd(() => door.stop());
  const watched = await api.addComponent(room, "rtsp", { sourceUri: door.url });
  const publishes = await api.addComponent(room, "rtmp", {});
  const studio = encoder(`${publishes.properties.urls?.[0]}/${publishes.properties.streamKey}`);
  stage.atEnd(() => studio.stop());
  const everything = [file, watched, publishes].map(({ id }) => ann.decodes(`${id}:video`, CLIP));
  await Promise.all([...everything, ann.hears(`${watched.id}:audio`), ann.hears(`${publishes.id}:audio`)]);
  const told = async () =>
    (await api.components(room)).every(({ flow }) => flow && flow.bitrate > 0 && flow.frameRate > 1);
  await eventually("what comes through of each is told", told);
});

scenario("a camera is back soon after its gateway was killed, and after its worker was", async (stage) => {
  const servers = await cluster(stage);
  const { api, room, ann } = await watcher(stage, servers);
  const door = await camera();
  stage.atEnd(() => door.stop());
  const { id } = await api.addComponent(room, "rtsp", { sourceUri: door.url });
  const picture = `${id}:video`;
  await ann.decodes(picture, CLIP);
  const gateway = async () => (await api.components(room))[0]?.gateway;

  const first = await gateway();
  assert.ok(first);
  await comesBack(ann, picture, `gateway ${first} killed`, () => servers.kill(first));
  await eventually("another gateway has it", async () => ![undefined, null, first].includes(await gateway()));

  const worker = await servers.workerOf(room);
  await comesBack(ann, picture, `worker ${worker} killed`, () => servers.kill(worker));
  assert.notEqual(await servers.workerOf(room), worker);
});

async function cluster(stage: Stage): Promise<Cluster> {
  const servers = await Cluster.withGateways();
  stage.atEnd(() => servers.stop());
  return servers;
}

/** Somebody in a room of that cluster. */
async function watcher(stage: Stage, servers: Cluster): Promise<{ api: Api; room: string; ann: Peer }> {
  const api = new Api(servers.base("http"));
  const room = await api.createRoom({ videoCodec: "h264" });
  const [ann, place] = await Promise.all([stage.page("ann"), api.addPeer(room)]);
  if (!(await ann.join(servers.base("ws"), place))) throw new Error("ann was not let in");
  return { api, room, ann };
}

/** Breaks something, waits until the picture moves again, and says how long that took. */
async function comesBack(peer: Peer, track: string, what: string, breaks: () => void): Promise<void> {
  const began = performance.now();
  breaks();
  await eventually("the picture stands still", async () => !(await moves(peer, track)));
  await eventually("the picture moves again", () => moves(peer, track));
  console.log(`${what}: the picture moved again after ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

/** Whether pictures are decoded now. */
async function moves(peer: Peer, track: string): Promise<boolean> {
  const decoded = async () => (await peer.track(track).catch(() => null))?.framesDecoded ?? -1;
  const before = await decoded();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const now = await decoded();
  return before >= 0 && now > before;
}
