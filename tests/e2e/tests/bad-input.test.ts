// Whatever a socket sends, it gets a clear end or is ignored, and nobody else notices.

import assert from "node:assert/strict";
import { allConverse, publishAll, type Speaker } from "../harness/conversation";
import { eventually } from "../harness/patience";
import type { Peer } from "../harness/peer";
import { frames } from "../harness/protobuf";
import { type Stage, scenario } from "../harness/scenario";

const GARBAGE = [0xff, 0xfe, 0x00, 0x01, 0x80, 0x80, 0x80];
const FLOOD_BYTES = 8 * 1024 * 1024;
const SILENT_SOCKETS = 200;

/** A recvonly video line that no ICE agent would accept. */
const BROKEN_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n";

scenario("garbage instead of a token ends the socket", async (stage) => {
  const { rude, neighbours } = await besideACall(stage);
  for (const frame of [GARBAGE, frames.connect(), frames.offer("")]) {
    const socket = await knock(stage, rude);
    await send(rude, socket, frame);
    await ends(rude, socket);
  }
  await stillWell(stage, neighbours);
});

scenario("a frame that is far too large ends the socket", async (stage) => {
  const { rude, neighbours } = await besideACall(stage);
  for (const authenticated of [false, true]) {
    const socket = await knock(stage, rude);
    if (authenticated) await send(rude, socket, frames.auth(neighbours.spare));
    await rude.page.evaluate(([id, size]) => window.handles.raw.flood(id, size), [socket, FLOOD_BYTES] as const);
    await ends(rude, socket);
  }
  await stillWell(stage, neighbours);
});

scenario("a malformed or unasked offer ends its own session at most", async (stage) => {
  const { rude, neighbours } = await besideACall(stage);
  for (const sdp of ["", "nonsense", BROKEN_SDP, "v=0\r\n".repeat(1_000)]) {
    const socket = await knock(stage, rude);
    await send(rude, socket, frames.auth(neighbours.spare));
    await send(rude, socket, frames.connect());
    await send(rude, socket, frames.offer(sdp));
    const { reason } = await ends(rude, socket);
    assert.notEqual(reason, "", "the end says why");
  }
  await stillWell(stage, neighbours);
});

scenario("garbage after the token is harmless", async (stage) => {
  const { rude, neighbours } = await besideACall(stage);
  const socket = await knock(stage, rude);
  await send(rude, socket, frames.auth(neighbours.spare));
  await send(rude, socket, frames.connect());
  const rubbish = [GARBAGE, "text", frames.candidate("not a candidate"), frames.connect(), frames.renegotiate()];
  for (const frame of rubbish) await send(rude, socket, frame);
  await stillWell(stage, neighbours);
});

scenario("sockets that never say who they are do not keep others out", async (stage) => {
  const { rude, neighbours } = await besideACall(stage);
  const url = `${stage.server.base("ws")}/socket/peer/websocket`;
  await rude.page.evaluate(
    ([address, count]) => Promise.all(Array.from({ length: count }, () => window.handles.raw.open(address))),
    [url, SILENT_SOCKETS] as const,
  );
  await stillWell(stage, neighbours);
});

interface Neighbours {
  room: string;
  speakers: Speaker[];
  /** A token for a peer of the same room. */
  spare: string;
}

async function besideACall(stage: Stage): Promise<{ rude: Peer; neighbours: Neighbours }> {
  const room = await stage.room();
  const [rude, { token }, ...peers] = await Promise.all([
    stage.page("rude"),
    stage.api.addPeer(room),
    stage.enter(room, "ann"),
    stage.enter(room, "bob"),
  ]);
  const speakers = await publishAll(peers);
  await allConverse(speakers);
  return { rude, neighbours: { room, speakers, spare: token } };
}

/** The call beside goes on, and someone new can join it. */
async function stillWell(stage: Stage, { room, speakers }: Neighbours): Promise<void> {
  const [late] = await Promise.all([stage.enter(room, "late"), allConverse(speakers)]);
  await Promise.all(speakers.map(({ camera }) => late.decodes(camera)));
}

function knock(stage: Stage, { page }: Peer): Promise<number> {
  return page.evaluate((url) => window.handles.raw.open(url), `${stage.server.base("ws")}/socket/peer/websocket`);
}

function send({ page }: Peer, socket: number, frame: number[] | string): Promise<void> {
  return page.evaluate(([id, bytes]) => window.handles.raw.send(id, bytes), [socket, frame] as const);
}

async function ends({ page }: Peer, socket: number) {
  return eventually("the socket ends", () => page.evaluate((id) => window.handles.raw.ending(id), socket));
}
