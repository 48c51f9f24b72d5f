// What is no peer: files, cameras and encoders are seen and heard by the unmodified client, like anybody else.

import assert from "node:assert/strict";
import type { Component } from "../harness/api";
import { CLIP, CLIP_SECONDS, MOVIE, PICTURES, TONE } from "../harness/clips";
import { isAccessible, join, linkTo, pictures, plays, visit } from "../harness/meeting";
import { eventually, never } from "../harness/patience";
import { type Stage, scenario } from "../harness/scenario";
import { camera, encoder } from "../harness/source";

/** What a camera sends at /sub. */
const SUB = { width: 320, height: 180 };

/** Over three switches: each waits for a key frame while the other stream goes on, so nobody sees it wait. */
const FROZEN_S_MAX = 0.5;

scenario("a file is played into a room and seen by who is there and by who comes later", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const file = await stage.api.addComponent(room, "file", { filePath: PICTURES, framerate: CLIP.fps });
  const video = await ann.decodes(`${file.id}:video`, CLIP);
  assert.equal(video.codec, "video/H264");
  const bob = await stage.enter(room, "bob");
  await bob.decodes(`${file.id}:video`, CLIP);
  const shown = await reaches(stage, room, "live");
  const types = shown.tracks.map(({ type }) => type);
  assert.deepEqual(types, ["video"]);

  await stage.api.deleteComponent(room, file.id);
  await eventually("it is gone for everybody", async () => (await ann.tracks()).length === 0);
  assert.deepEqual(await stage.api.components(room), []);
});

scenario("sound of a file is heard", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const { id } = await stage.api.addComponent(room, "file", { filePath: TONE });
  await ann.hears(`${id}:audio`);
});

scenario("an MP4 file is seen and heard, over and over", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const { id } = await stage.api.addComponent(room, "file", { filePath: MOVIE });
  await Promise.all([ann.decodes(`${id}:video`, CLIP), ann.hears(`${id}:audio`)]);
  // Longer than the file.
  await eventually("it begins again", async () => {
    return ((await ann.track(`${id}:video`))?.framesDecoded ?? 0) > CLIP.fps * (CLIP_SECONDS + 1);
  });
});

scenario("a file that is not there is told, and nobody sees anything of it", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  await stage.api.addComponent(room, "file", { filePath: "none.h264" });
  const stopped = await reaches(stage, room, "stopped");
  assert.equal(stopped.trouble?.code, "file_not_found");
  await never("ann hears of it", async () => (await ann.tracks()).length);
});

scenario("a camera is seen and heard, and seen again after its plug was pulled", async (stage) => {
  const door = await camera(["--audio", "aac", "--digest", "viewer:s3cret@door"]);
  stage.atEnd(() => door.stop());
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const sourceUri = door.url.replace("rtsp://", "rtsp://viewer:s3cret%40door@");
  const { id } = await stage.api.addComponent(room, "rtsp", { sourceUri, reconnectDelay: 1000 });
  await Promise.all([ann.decodes(`${id}:video`, CLIP), ann.hears(`${id}:audio`)]);
  const live = await reaches(stage, room, "live");
  assert.ok(!JSON.stringify(live).includes("s3cret"), "no secret is shown");

  door.stop();
  await reaches(stage, room, "retrying");
  const again = await camera(["--audio", "aac", "--digest", "viewer:s3cret@door"], new URL(door.url).port);
  stage.atEnd(() => again.stop());
  await reaches(stage, room, "live");
  await ann.decodes(`${id}:video`, CLIP);
});

scenario("viewers choose between two streams of a camera, and see the first without the second", async (stage) => {
  const [main, sub] = await Promise.all([camera(["--audio", "aac"]), camera()]);
  stage.atEnd(() => main.stop());
  stage.atEnd(() => sub.stop());
  const room = await stage.room({ videoCodec: "h264" });
  const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
  const subSourceUri = sub.url.replace("/main", "/sub");
  const { id } = await stage.api.addComponent(room, "rtsp", {
    sourceUri: main.url,
    subSourceUri,
    reconnectDelay: 1000,
  });
  const video = `${id}:video`;
  await Promise.all([ann.decodes(video, CLIP), bob.decodes(video, CLIP)]);
  for (const [rid, size] of [
    ["l", SUB],
    ["h", CLIP],
    ["l", SUB],
  ] as const) {
    await ann.target(video, rid);
    await ann.decodes(video, size);
  }
  await bob.decodes(video, CLIP);
  const frozenS = (await ann.track(video))?.frozenS ?? 0;
  assert.ok(frozenS < FROZEN_S_MAX, `${frozenS} s frozen`);

  sub.stop();
  await ann.decodes(video, CLIP);
  const live = await reaches(stage, room, "live");
  await eventually("it is told", async () => {
    const [shown] = await stage.api.components(room);
    return shown?.state === "live" && shown.trouble?.code.startsWith("sub_");
  });
  assert.equal(live.tracks.length, 2);
  const again = await camera([], new URL(sub.url).port);
  stage.atEnd(() => again.stop());
  await ann.decodes(video, SUB);
  await eventually("all is well", async () => (await stage.api.components(room))[0]?.trouble === null);
});

scenario("a camera that is heard is marked as a speaker", async (stage) => {
  const door = await camera(["--audio", "pcmu"]);
  stage.atEnd(() => door.stop());
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const { id } = await stage.api.addComponent(room, "rtsp", { sourceUri: door.url });
  await eventually("ann sees it speak", async () => (await ann.track(`${id}:audio`))?.voice === "speech");
});

scenario("a camera that refuses the login says so", async (stage) => {
  const door = await camera(["--digest", "viewer:right"]);
  stage.atEnd(() => door.stop());
  const room = await stage.room({ videoCodec: "h264" });
  const sourceUri = door.url.replace("rtsp://", "rtsp://viewer:wrong@");
  await stage.api.addComponent(room, "rtsp", { sourceUri });
  const stopped = await reaches(stage, room, "stopped");
  assert.equal(stopped.trouble?.code, "login_refused");
});

for (const scheme of ["rtmp", "rtmps"]) {
  scenario(`an encoder publishes over ${scheme} with its key, and a second one is kept out`, async (stage) => {
    const room = await stage.room({ videoCodec: "h264" });
    const ann = await stage.enter(room, "ann");
    const { id, properties } = await stage.api.addComponent(room, "rtmp", {});
    const address = placeFor(scheme, properties);
    const first = encoder(address);
    stage.atEnd(() => first.stop());
    await Promise.all([ann.decodes(`${id}:video`, CLIP), ann.hears(`${id}:audio`)]);
    await reaches(stage, room, "live");
    const second = encoder(address);
    stage.atEnd(() => second.stop());
    assert.notEqual(await second.ended, 0);

    first.stop();
    await reaches(stage, room, "waiting");
    await eventually("it is gone", async () => (await ann.tracks()).length === 0);
    const third = encoder(address);
    stage.atEnd(() => third.stop());
    await ann.decodes(`${id}:video`, CLIP);
  });
}

scenario("an encoder with a wrong key is sent away", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const { properties } = await stage.api.addComponent(room, "rtmp", {});
  const stranger = encoder(placeFor("rtmps", { ...properties, streamKey: "guessed" }));
  stage.atEnd(() => stranger.stop());
  assert.notEqual(await stranger.ended, 0);
});

scenario("an encoder that sends B-frames is told what to change", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const { properties } = await stage.api.addComponent(room, "rtmp", {});
  const late = encoder(placeFor("rtmp", properties), ["-tune", "film", "-bf", "2"]);
  stage.atEnd(() => late.stop());
  assert.notEqual(await late.ended, 0);
  assert.match(late.said(), /B-frames/);
});

scenario("B-frames are transcoded where asked for, and again after the transcoder was killed", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const { id, properties } = await stage.api.addComponent(room, "rtmp", { transcode: true });
  const late = encoder(`${properties.urls?.[0]}/${properties.streamKey}`, ["-tune", "film", "-bf", "2"]);
  stage.atEnd(() => late.stop());
  const [video] = await Promise.all([ann.decodes(`${id}:video`, CLIP), ann.hears(`${id}:audio`)]);
  assert.equal(video.codec, "video/H264");
  await reaches(stage, room, "live");

  const [transcoder] = stage.server.transcoders();
  assert.ok(transcoder, "there is one");
  process.kill(transcoder, "SIGKILL");
  const retrying = await reaches(stage, room, "retrying");
  assert.equal(retrying.trouble?.code, "transcoder_failed");
  await reaches(stage, room, "live");
  await ann.decodes(`${id}:video`, CLIP);
  late.stop();
  await eventually("it ends with its stream", async () => stage.server.transcoders().length === 0);
});

scenario("a stream that browsers can show passes though it might be transcoded", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const { id, properties } = await stage.api.addComponent(room, "rtmp", { transcode: true });
  const plain = encoder(`${properties.urls?.[0]}/${properties.streamKey}`);
  stage.atEnd(() => plain.stop());
  await ann.decodes(`${id}:video`, CLIP);
  assert.deepEqual(stage.server.transcoders(), []);
});

scenario("a camera of H.265 is seen where transcoding is asked for, and refused otherwise", async (stage) => {
  const door = await camera(["--video", "h265"]);
  stage.atEnd(() => door.stop());
  const [room, other] = [await stage.room({ videoCodec: "h264" }), await stage.room({ videoCodec: "h264" })];
  const ann = await stage.enter(room, "ann");
  const { id } = await stage.api.addComponent(room, "rtsp", { sourceUri: door.url, transcode: true });
  await ann.decodes(`${id}:video`, CLIP);
  await stage.api.addComponent(other, "rtsp", { sourceUri: door.url });
  const stopped = await reaches(stage, other, "stopped");
  assert.equal(stopped.trouble?.code, "codec_unsupported");
});

scenario("the app shows a camera beside people, under its name", async (stage) => {
  const link = `${linkTo(stage, "lobby")}?codec=h264`;
  const page = await visit(stage, link, "Ann");
  const joined = page.waitForResponse((response) => response.url().includes("/demo/join"));
  await join(page);
  const { room } = (await (await joined).json()) as { room: string };
  const metadata = { name: "Front door" };
  await stage.api.addComponent(room, "file", { filePath: PICTURES, framerate: CLIP.fps, metadata });
  await plays(page, "Front door");
  await isAccessible(page, "a camera in a room");
  await pictures(page, "camera-in-room");
});

scenario("an encoder publishes over SRT, is killed and comes back", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const ann = await stage.enter(room, "ann");
  const { id, properties } = await stage.api.addComponent(room, "srt", {});
  const address = `${properties.urls?.[0]}?streamid=publish:${properties.streamKey}&pkt_size=1316`;
  const first = encoder(address);
  stage.atEnd(() => first.stop());
  await Promise.all([ann.decodes(`${id}:video`, CLIP), ann.hears(`${id}:audio`)]);
  await reaches(stage, room, "live");

  first.stop();
  await reaches(stage, room, "waiting");
  const second = encoder(address);
  stage.atEnd(() => second.stop());
  await ann.decodes(`${id}:video`, CLIP);
});

scenario("an encoder with a wrong key is sent away over SRT", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const { properties } = await stage.api.addComponent(room, "srt", {});
  const stranger = encoder(`${properties.urls?.[0]}?streamid=publish:guessed`);
  stage.atEnd(() => stranger.stop());
  assert.notEqual(await stranger.ended, 0);
});

/** Where an encoder goes that speaks this scheme. */
function placeFor(scheme: string, { urls, streamKey }: Component["properties"]): string {
  const url = urls?.find((url) => url.startsWith(`${scheme}://`));
  assert.ok(url, `${scheme} is offered`);
  return `${url}/${streamKey}`;
}

/** Waits until the only component of a room is in a state. */
function reaches(stage: Stage, room: string, state: Component["state"]): Promise<Component> {
  return eventually(`it is ${state}`, async () => {
    const [found] = await stage.api.components(room);
    return found?.state === state ? found : null;
  });
}
