// One picture in three sizes: everyone chooses which one arrives.

import assert from "node:assert/strict";
import { eventually } from "../harness/patience";
import { scenario } from "../harness/scenario";
import type { Rid } from "../page/page";

const PICTURE = { width: 1280, height: 720, fps: 15 };
const SIZES: Record<Rid, { width: number; height: number }> = {
  l: { width: 320, height: 180 },
  m: { width: 640, height: 360 },
  h: { width: 1280, height: 720 },
};
const VARIANTS: Record<Rid, number> = { l: 1, m: 2, h: 3 };

/**
 * Over four switches. A switch at the wrong frame freezes until somebody asks for a keyframe and gets it, half a second and
 * more each time; a busy machine that drops a few frames of a 15 fps picture counts as a freeze of a quarter too.
 */
const FROZEN_S_MAX = 0.5;

for (const videoCodec of ["vp8", "h264"] as const) {
  scenario(`a subscriber of a ${videoCodec} simulcast switches between its sizes without a freeze`, async (stage) => {
    const room = await stage.room({ videoCodec });
    const [ann, bob] = await Promise.all([stage.enter(room, "ann"), stage.enter(room, "bob")]);
    const track = await ann.publishSimulcast(PICTURE);
    await bob.decodes(track, SIZES.h);
    const before = await bob.track(track);
    for (const rid of ["l", "h", "m", "l"] as const) {
      await bob.target(track, rid);
      await bob.decodes(track, SIZES[rid]);
      await eventually(`bob is told of ${rid}`, async () => {
        const { detail } = (await bob.happened("encodingChanged")).at(-1) ?? {};
        return (detail as { encoding: number } | undefined)?.encoding === VARIANTS[rid];
      });
    }
    const after = await bob.track(track);
    const frozenS = (after?.frozenS ?? 0) - (before?.frozenS ?? 0);
    assert.ok(frozenS < FROZEN_S_MAX, `${frozenS} s frozen, ${after?.freezeCount} freezes`);
  });
}
