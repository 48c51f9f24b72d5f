// Who may not come in is told why, once, and does not knock for ever.

import assert from "node:assert/strict";
import type { Place } from "../harness/api";
import { eventually, never } from "../harness/patience";
import { type Stage, scenario } from "../harness/scenario";
import { forged, resigned } from "../harness/token";

scenario("a token that was never given out is refused", async (stage) => {
  const place = await stage.api.addPeer(await stage.room());
  await isRefused(stage, { ...place, token: "nonsense" }, "invalid token");
});

scenario("a token that somebody changed is refused", async (stage) => {
  const place = await stage.api.addPeer(await stage.room());
  await isRefused(stage, { ...place, token: forged(place.token, { room: "another-room" }) }, "invalid token");
});

scenario("a token whose time is over is refused", async (stage) => {
  const place = await stage.api.addPeer(await stage.room());
  const longAgo = Math.floor(Date.now() / 1_000) - 60;
  await isRefused(stage, { ...place, token: resigned(place.token, { exp: longAgo }) }, "expired token");
});

scenario("a token for a room that was deleted is refused", async (stage) => {
  const place = await stage.api.addPeer(await stage.room());
  await stage.api.deleteRoom(place.room);
  await isRefused(stage, place, "room not found");
});

scenario("a token for a peer that was deleted is refused", async (stage) => {
  const place = await stage.api.addPeer(await stage.room());
  await stage.api.deletePeer(place);
  await isRefused(stage, place, "peer not found");
});

scenario("someone whose peer is deleted during the call is out and stays out", async (stage) => {
  const room = await stage.room();
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  await bob.decodes((await ann.publish()).camera);
  if (ann.place) await stage.api.deletePeer(ann.place);
  await eventually("bob sees nobody", async () => (await bob.peers()).length === 0);
  await eventually("ann is told", async () => (await ann.happened("authError")).length);
});

async function isRefused(stage: Stage, place: Place, reason: string): Promise<void> {
  const page = await stage.page("stranger");
  assert.equal(await page.join(stage.server.base("ws"), place), false);
  const [told] = await eventually("the stranger is told", () => page.happened("authError"));
  assert.equal(told?.detail, reason);
  await never("the stranger knocks again", async () => (await page.sockets()) > 1);
}
