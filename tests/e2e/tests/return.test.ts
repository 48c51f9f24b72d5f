// Connections break: the client comes back by itself, and two windows never fight over one place.

import assert from "node:assert/strict";
import { Cable } from "../harness/cable";
import { publishAll } from "../harness/conversation";
import { eventually, never } from "../harness/patience";
import { scenario } from "../harness/scenario";

/** From the cut until another page decodes the returned peer again. Half a second of it is the client's own delay. */
const BACK_WITHIN_MS = 2_000;

scenario("someone who is cut off is seen and heard again within two seconds", async (stage) => {
  const room = await stage.room();
  const cable = await Cable.to(stage.server.origin);
  stage.atEnd(() => cable.close());
  const [ann, bob, place] = await Promise.all([stage.page("ann"), stage.enter(room, "bob"), stage.api.addPeer(room)]);
  await stage.admit(ann, place, cable.origin);
  const [annSpeaks, bobSpeaks] = await publishAll([ann, bob]);
  assert.ok(annSpeaks && bobSpeaks);
  await Promise.all([bob.decodes(annSpeaks.camera), ann.decodes(bobSpeaks.camera)]);

  const cutAt = performance.now();
  cable.cut();
  const camera = await eventually("bob decodes ann's new camera track", async () => {
    const found = (await bob.tracks()).find(({ id, type }) => type === "camera" && id !== annSpeaks.camera);
    return found && found.framesDecoded > 0 ? found : null;
  });
  const tookMs = Math.round(performance.now() - cutAt);
  console.log(`back after ${tookMs} ms`);
  assert.ok(tookMs <= BACK_WITHIN_MS, `back after ${tookMs} ms`);

  assert.equal(camera.peer, ann.id);
  await Promise.all([bob.decodes(camera.id), ann.decodes(bobSpeaks.camera), ann.hears(bobSpeaks.microphone)]);
  assert.equal((await bob.peers()).length, 1);
  assert.equal((await ann.happened("reconnected")).length, 1);
});

scenario("a second window with the same place takes it over for good", async (stage) => {
  const room = await stage.room();
  const [first, bob, place] = await Promise.all([
    stage.page("first"),
    stage.enter(room, "bob"),
    stage.api.addPeer(room),
  ]);
  await stage.admit(first, place);
  await bob.decodes((await first.publish()).camera);

  const second = await stage.page("second");
  await stage.admit(second, place);
  await bob.decodes((await second.publish()).camera);
  await eventually("the first window is told", async () => (await first.happened("authError")).length);
  await never("the first window comes back", async () => (await first.sockets()) > 1);
  assert.equal((await first.happened("authError")).length, 1);
  assert.equal((await second.happened("authError")).length, 0);
  assert.deepEqual(await bob.peers(), [{ id: place.peer, name: "second" }]);
});
