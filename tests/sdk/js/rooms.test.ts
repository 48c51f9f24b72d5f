// Rooms, peers and tokens through the SDK, and the exceptions into which it makes refusals.

import assert from "node:assert/strict";
import {
  BadRequestException,
  FishjamClient,
  FishjamNotFoundException,
  type PeerId,
  PeerNotFoundException,
  type Room,
  RoomNotFoundException,
  type TrackId,
  UnauthorizedException,
  UnknownException,
} from "@fishjam-cloud/js-server-sdk";
import { eventually } from "../../e2e/harness/patience";
import { enter, NOWHERE, open, scenario } from "./world";

const NOBODY = NOWHERE as unknown as PeerId;

scenario("a room lives from creation to deletion", async ({ fishjam }) => {
  const options = { maxPeers: 3, videoCodec: "vp8", roomType: "audio_only" } as const;
  const room = await fishjam.createRoom(options as Parameters<FishjamClient["createRoom"]>[0]);
  const { maxPeers, videoCodec, roomType, webhookUrl } = room.config;
  assert.deepEqual({ maxPeers, videoCodec, roomType, webhookUrl }, { ...options, webhookUrl: null });
  assert.deepEqual(room.peers, []);
  assert.deepEqual(await fishjam.getRoom(room.id), room);
  const listed = async () => (await fishjam.getAllRooms()).map(({ id }: Room) => id);
  assert.ok((await listed()).includes(room.id));
  await fishjam.deleteRoom(room.id);
  assert.ok(!(await listed()).includes(room.id));
});

scenario("a room needs no options", async ({ fishjam }) => {
  const room = await fishjam.createRoom();
  assert.equal(room.config.videoCodec, "h264");
  await fishjam.deleteRoom(room.id);
});

scenario("a peer is added, shown, renewed and removed", async ({ fishjam, base }) => {
  const room = await fishjam.createRoom();
  const { peer, peerToken } = await fishjam.createPeer(room.id, { metadata: { seat: 4 }, subscribeMode: "auto" });
  assert.deepEqual(peer, {
    id: peer.id,
    type: "webrtc",
    status: "disconnected",
    tracks: [],
    metadata: { peer: {}, server: { seat: 4 } },
    subscribeMode: "auto",
    subscriptions: { peers: [], tracks: [] },
  });
  assert.deepEqual((await fishjam.getRoom(room.id)).peers, [peer]);
  const renewed = await fishjam.refreshPeerToken(room.id, peer.id);
  assert.notEqual(renewed, peerToken);
  const ann = await enter(base, renewed);
  ann.hangUp();
  await fishjam.deletePeer(room.id, peer.id);
  assert.deepEqual((await fishjam.getRoom(room.id)).peers, []);
  await fishjam.deleteRoom(room.id);
});

scenario("manual subscriptions are shown", async ({ fishjam }) => {
  const room = await fishjam.createRoom();
  const { peer: ann } = await fishjam.createPeer(room.id);
  const { peer: bob } = await fishjam.createPeer(room.id, { subscribeMode: "manual" });
  await fishjam.subscribePeer(room.id, bob.id, ann.id);
  const shown = (await fishjam.getRoom(room.id)).peers.find(({ id }) => id === bob.id);
  assert.deepEqual(shown?.subscriptions, { peers: [ann.id], tracks: [] });
  await assert.rejects(fishjam.subscribePeer(room.id, bob.id, NOBODY), PeerNotFoundException);
  await assert.rejects(fishjam.subscribeTracks(room.id, bob.id, ["none" as TrackId]), PeerNotFoundException);
  await fishjam.deleteRoom(room.id);
});

scenario("a peer gets the track that its back end chooses", async ({ fishjam, base }) => {
  const room = await fishjam.createRoom({ videoCodec: "vp8" } as never);
  const ann = await fishjam.createPeer(room.id);
  const bob = await fishjam.createPeer(room.id, { subscribeMode: "manual" });
  const [speaker, listener] = [await open(base, ann.peerToken), await open(base, bob.peerToken)];
  const metadata = { type: "microphone", paused: false } as const;
  const track = (await speaker.evaluate((m) => window.handles.publishTone(440, m), metadata)) as TrackId;
  const published = async () => (await fishjam.getRoom(room.id)).peers.some(({ tracks }) => tracks.length > 0);
  await eventually("the room shows the track", published);
  await fishjam.subscribeTracks(room.id, bob.peer.id, [track]);
  const received = () => listener.evaluate(() => window.handles.remoteTracks().filter(({ ready }) => ready));
  await eventually("bob receives it", async () => (await received()).some(({ id }) => id === track));
  await Promise.all([speaker, listener].map((page) => page.context().close()));
  await fishjam.deleteRoom(room.id);
});

scenario("a livestream hands out tokens, a conference does not", async ({ fishjam }) => {
  const live = await fishjam.createRoom({ roomType: "livestream", public: true } as never);
  assert.equal(typeof (await fishjam.createLivestreamStreamerToken(live.id)).token, "string");
  assert.equal(typeof (await fishjam.createLivestreamViewerToken(live.id)).token, "string");
  const talk = await fishjam.createRoom();
  await assert.rejects(fishjam.createLivestreamStreamerToken(talk.id), FishjamNotFoundException);
  await assert.rejects(fishjam.createLivestreamViewerToken(talk.id), FishjamNotFoundException);
  await Promise.all([live, talk].map(({ id }) => fishjam.deleteRoom(id)));
});

scenario("refusals become the SDK's exceptions", async ({ fishjam, base }) => {
  await assert.rejects(fishjam.getRoom(NOWHERE), (thrown: unknown) => {
    assert.ok(thrown instanceof RoomNotFoundException);
    assert.deepEqual([thrown.statusCode, thrown.details], [404, `Room ${NOWHERE} does not exist`]);
    return true;
  });
  await assert.rejects(fishjam.deleteRoom(NOWHERE), RoomNotFoundException);
  await assert.rejects(fishjam.createPeer(NOWHERE), FishjamNotFoundException);
  await assert.rejects(fishjam.createRoom({ maxPeers: -1 }), (thrown: unknown) => {
    assert.ok(thrown instanceof BadRequestException);
    assert.equal(thrown.details, "Expected maxPeers to be a number, got: -1");
    return true;
  });
  const stranger = new FishjamClient({ fishjamId: base, managementToken: "wrong" });
  await assert.rejects(stranger.createRoom(), UnauthorizedException);

  const room = await fishjam.createRoom({ maxPeers: 1 });
  await fishjam.createPeer(room.id);
  await assert.rejects(fishjam.deletePeer(room.id, NOBODY), PeerNotFoundException);
  await assert.rejects(fishjam.refreshPeerToken(room.id, NOBODY), PeerNotFoundException);
  await assert.rejects(fishjam.createPeer(room.id), (thrown: unknown) => {
    assert.ok(thrown instanceof UnknownException);
    assert.equal(thrown.statusCode, 409);
    return true;
  });
  await fishjam.deleteRoom(room.id);
});

for (const path of ["", "/", "/api/v1/connect/any-app", "/api/v1/connect/any-app/"]) {
  scenario(`a server given as origin + "${path}" is found`, async ({ origin, config }) => {
    const fishjam = new FishjamClient({ ...config, fishjamId: origin + path });
    const room = await fishjam.createRoom();
    const { peer } = await fishjam.createPeer(room.id);
    assert.deepEqual((await fishjam.getRoom(room.id)).peers, [peer]);
    await fishjam.deleteRoom(room.id);
  });
}
