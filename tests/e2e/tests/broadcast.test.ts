// A room as a broadcast: people talk over WebRTC with the published client, anybody watches over HTTP on the player's page.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { publishAll } from "../harness/conversation";
import { DESK, isAccessible, PHONE, pictures } from "../harness/meeting";
import { eventually } from "../harness/patience";
import { scenario } from "../harness/scenario";

/** Parts of half a second, of which viewers stay three behind, and what encoding, the way and the start cost. */
const LATENCY_S_MAX = 4;

/** How long it is watched that nothing stalls: longer than a segment. */
const WATCHED_MS = 5_000;

/** A viewer who catches up plays up to a tenth faster; what plays slower than this has stopped in between. */
const PACE = { least: 0.95, most: 1.15 };

scenario("a conversation is watched over HTTP by whoever has the link", async (stage) => {
  const room = await stage.room({ videoCodec: "h264" });
  const page = await (await stage.guest({ viewport: DESK })).newPage();
  await page.goto(`${stage.server.origin}/watch/${room}`);
  await page.getByRole("heading", { name: "Waiting for the broadcast" }).waitFor();

  await publishAll(await Promise.all(["ann", "bob"].map((name) => stage.enter(room, name))));
  await stage.api.addComponent(room, "hls", { lowLatency: true });
  await page.locator('main[data-phase="playing"]').waitFor();
  await eventually(`it is less than ${LATENCY_S_MAX} s behind`, async () => (await latency_s(page)) < LATENCY_S_MAX);

  const { stalls, pace } = await watch(page);
  assert.equal(stalls, 0, "it plays without a stall");
  assert.ok(pace > PACE.least && pace < PACE.most, `${pace} seconds of it in a second`);
  assert.ok((await latency_s(page)) < LATENCY_S_MAX, "and stays close to what is live");
  const [before, after] = await twoFrames(page);
  assert.ok(brightest(before) > 100 && brightest(after) > 100, "the picture is not black");
  assert.notDeepEqual(before, after, "the picture moves");

  await isAccessible(page, "a broadcast");
  await pictures(page, "broadcast", { desk: DESK, phone: PHONE });
});

/** As the page tells it; further than anything before it does. */
async function latency_s(page: Page): Promise<number> {
  const shown = (await page.locator("dl > div", { hasText: "Latency" }).locator("dd").textContent()) ?? "";
  return shown.endsWith(" s") ? Number.parseFloat(shown) : Number.POSITIVE_INFINITY;
}

/** How often it stopped for want of more while it was watched, and how many seconds of it passed in a second. */
function watch(page: Page): Promise<{ stalls: number; pace: number }> {
  return page.locator("video").evaluate(async (video: HTMLVideoElement, watched_ms) => {
    let stalls = 0;
    video.addEventListener("waiting", () => {
      stalls += 1;
    });
    const [position, began_ms] = [video.currentTime, performance.now()];
    await new Promise((over) => setTimeout(over, watched_ms));
    return { stalls, pace: (1_000 * (video.currentTime - position)) / (performance.now() - began_ms) };
  }, WATCHED_MS);
}

/** The brightness of small copies of what is shown, with some frames between them. */
async function twoFrames(page: Page): Promise<[number[], number[]]> {
  return page.locator("video").evaluate(async (video: HTMLVideoElement) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [64, 36];
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    if (!pen) throw new Error("no canvas");
    const copy = () => {
      pen.drawImage(video, 0, 0, canvas.width, canvas.height);
      const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
      return Array.from({ length: data.length / 4 }, (_, at) => Math.max(...data.subarray(4 * at, 4 * at + 3)));
    };
    const frame = () => new Promise((shown) => video.requestVideoFrameCallback(shown));
    await frame();
    const before = copy();
    for (let count = 0; count < 5; count += 1) await frame();
    return [before, copy()];
  });
}

function brightest(brightness: readonly number[]): number {
  return Math.max(...brightness);
}
