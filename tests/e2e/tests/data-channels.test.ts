// Messages between people, on both channels; who sent one is said by the server, not by the sender.

import assert from "node:assert/strict";
import { eventually } from "../harness/patience";
import { textField } from "../harness/protobuf";
import { scenario } from "../harness/scenario";

const SOURCE = 1;

scenario("messages arrive on both channels, signed by the server", async (stage) => {
  const room = await stage.room();
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  await Promise.all([ann.publish(), bob.openChannels()]);
  await ann.openChannels();
  for (const reliable of [true, false]) {
    const text = `hello over ${reliable ? "reliable" : "lossy"}`;
    // A lossy message may get lost, so it is said again until it arrives.
    if (reliable) await ann.say(text, reliable);
    await eventually(`bob reads "${text}"`, async () => {
      if (!reliable) await ann.say(text, reliable);
      return (await bob.texts()).some((message) => message.text === text && message.reliable === reliable);
    });
  }
  const sources = (await bob.rawMessages()).map(({ bytes }) => textField(bytes, SOURCE));
  assert.deepEqual([...new Set(sources)], [ann.id]);
  assert.deepEqual(await ann.texts(), []);
});

scenario("a long message passes whole", async (stage) => {
  const room = await stage.room();
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  await Promise.all([ann.openChannels(), bob.openChannels()]);
  const text = "velella ".repeat(7_500);
  await ann.say(text, true);
  await eventually("bob reads it", async () => (await bob.texts()).some((message) => message.text === text));
});
