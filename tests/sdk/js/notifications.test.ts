// What the SDK's notifier emits, and that webhooks bring the same.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type FishjamClient, ServerMessage } from "@fishjam-cloud/js-server-sdk";
import { eventually } from "../../e2e/harness/patience";
import { Notices } from "./notices";
import { enter, open, scenario, WEBHOOK_SECRET } from "./world";

/** A room that nobody needs. */
const spare = (fishjam: FishjamClient) => async () => {
  const { id } = await fishjam.createRoom();
  await fishjam.deleteRoom(id);
  return id;
};

scenario("a peer comes, speaks and is removed", async ({ fishjam, base, config }) => {
  const notices = await Notices.listen(config, spare(fishjam));
  const room = await fishjam.createRoom();
  const { peer, peerToken } = await fishjam.createPeer(room.id);
  await enter(base, peerToken);
  const story = ["roomCreated", "peerAdded", "peerConnected", "peerMetadataUpdated"] as const;
  const told = await notices.sequence(room.id, ...story);
  assert.deepEqual(
    told.slice(1).map(({ message }) => message.peerId),
    Array(3).fill(peer.id),
  );
  assert.deepEqual(JSON.parse(told[3]?.message.metadata), { peer: { displayName: "raw" }, server: {} });
  await fishjam.deletePeer(room.id, peer.id);
  await notices.sequence(room.id, ...story, "peerDisconnected", "peerDeleted");
  await fishjam.deleteRoom(room.id);
  await notices.sequence(room.id, ...story, "peerDisconnected", "peerDeleted", "roomDeleted");
  notices.stop();
});

scenario("a deleted room first tells of its tracks and peers", async ({ fishjam, base, config }) => {
  const notices = await Notices.listen(config, spare(fishjam));
  const room = await fishjam.createRoom({ videoCodec: "vp8" } as never);
  const { peerToken } = await fishjam.createPeer(room.id);
  const page = await open(base, peerToken);
  const type = "microphone" as const;
  const track = await page.evaluate((t) => window.handles.publishTone(440, { type: t, paused: false }), type);
  const story = ["roomCreated", "peerAdded", "peerConnected", "peerMetadataUpdated", "trackAdded"] as const;
  assert.equal((await notices.sequence(room.id, ...story))[4]?.message.track.id, track);
  await page.evaluate(([id, t]) => window.handles.updateTrack(id, { type: t, paused: true }), [track, type] as const);
  await notices.sequence(room.id, ...story, "trackMetadataUpdated");
  await fishjam.deleteRoom(room.id);
  const end = ["trackMetadataUpdated", "trackRemoved", "peerDisconnected", "peerDeleted", "roomDeleted"] as const;
  await notices.sequence(room.id, ...story, ...end);
  await page.context().close();
  notices.stop();
});

scenario("a wrong token is sent away in words", async ({ config }) => {
  const notices = new Notices({ ...config, managementToken: "wrong" });
  assert.deepEqual(await notices.closed(), { code: 1000, reason: "invalid token" });
});

scenario("a webhook brings signed messages that the SDK reads", async ({ fishjam }) => {
  const bodies: Buffer[] = [];
  const receiver = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const signature = createHmac("sha256", WEBHOOK_SECRET).update(body).digest("hex");
    assert.equal(request.headers["x-fishjam-signature-256"], `sha256=${signature}`);
    bodies.push(body);
    response.end();
  });
  await new Promise<void>((listening) => receiver.listen(0, "127.0.0.1", listening));
  const webhookUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const room = await fishjam.createRoom({ webhookUrl });
  await fishjam.deleteRoom(room.id);
  await eventually("both are delivered", () => bodies.length === 2);
  const [created, deleted] = bodies.map((body) => ServerMessage.decode(body));
  assert.deepEqual([created?.roomCreated, deleted?.roomDeleted], [{ roomId: room.id }, { roomId: room.id }]);
  receiver.close();
});
