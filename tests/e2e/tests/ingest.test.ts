// What is no peer: a file that a gateway plays is seen and heard by the unmodified client, like anybody else.

import assert from "node:assert/strict";
import { CLIP, PICTURES, TONE } from "../harness/clips";
import { eventually, never } from "../harness/patience";
import { scenario } from "../harness/scenario";

scenario("a file is played into a room and seen by who is there and by who comes later", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const component = await stage.api.addComponent(room, "file", { filePath: PICTURES, framerate: CLIP.fps });
  const video = await ann.decodes(`${component.id}:video`, CLIP);
  assert.equal(video.codec, "video/H264");
  const bob = await stage.enter(room, "bob");
  await bob.decodes(`${component.id}:video`, CLIP);
  const shown = await eventually("it counts as live", async () => {
    const [found] = await stage.api.components(room);
    return found?.state === "live" ? found : null;
  });
  assert.deepEqual(
    shown.tracks.map(({ type }) => type),
    ["video"],
  );

  await stage.api.deleteComponent(room, component.id);
  await eventually("it is gone for everybody", async () => (await ann.tracks()).length === 0);
  assert.deepEqual(await stage.api.components(room), []);
});

scenario("sound of a file is heard", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const { id } = await stage.api.addComponent(room, "file", { filePath: TONE });
  await ann.hears(`${id}:audio`);
});

scenario("a file that is not there is told, and nobody sees anything of it", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  await stage.api.addComponent(room, "file", { filePath: "none.h264" });
  const stopped = await eventually("it has stopped", async () => {
    const [found] = await stage.api.components(room);
    return found?.state === "stopped" ? found : null;
  });
  assert.equal(stopped.trouble?.code, "file_not_found");
  await never("ann hears of it", async () => (await ann.tracks()).length);
});
