// An agent of the SDK hears a browser, and is heard by it.

import assert from "node:assert/strict";
import { eventually } from "../../e2e/harness/patience";
import { share, tone } from "./tone";
import { open, scenario } from "./world";

const RATES = [16_000, 24_000] as const;
/** Share of the energy that an encoder leaves to a tone, at least. */
const PURE = 0.8;
const LISTEN_S = 0.4;
const CHUNK_S = 0.02;

for (const rate of RATES) {
  scenario(`an agent at ${rate} Hz hears a browser and is heard by it`, async ({ fishjam, base }) => {
    const room = await fishjam.createRoom({ videoCodec: "vp8" } as never);
    const output = { audioFormat: "pcm16", audioSampleRate: rate };
    const { agent, peer } = await fishjam.createAgent(room.id, { output } as never);
    const heard: Buffer[] = [];
    agent.on("trackData", ({ data }) => heard.push(Buffer.from(data)));

    const { peerToken } = await fishjam.createPeer(room.id);
    const page = await open(base, peerToken);
    await page.evaluate(() => window.handles.publishTone(440, { type: "microphone", paused: false }));
    await eventually("the agent hears 440 Hz", () => {
      const latest = Buffer.concat(heard).subarray(-Math.round(LISTEN_S * rate) * 2);
      return latest.length >= LISTEN_S * rate * 2 && share(latest, 440, rate) > PURE;
    });

    const track = agent.createTrack({ encoding: "pcm16", sampleRate: rate, channels: 1 }, { type: "customAudio" });
    let said = 0;
    const voice = setInterval(() => {
      agent.sendData(track.id, tone(1_000, rate, CHUNK_S, said));
      said += CHUNK_S;
    }, CHUNK_S * 1_000);
    await eventually("the page hears 1000 Hz", async () => {
      const hz = await page.evaluate(() => {
        const [first] = window.handles.remoteTracks();
        return first ? window.handles.heard(first.id) : null;
      });
      return hz !== null && Math.abs(hz - 1_000) < 15;
    });
    clearInterval(voice);

    agent.interruptTrack(track.id);
    agent.deleteTrack(track.id);
    await eventually("the track is gone", () => page.evaluate(() => window.handles.remoteTracks().length === 0));
    agent.disconnect();
    await eventually("the agent is gone", async () => {
      const shown = (await fishjam.getRoom(room.id)).peers.find(({ id }) => id === peer.id);
      return shown?.status === "disconnected";
    });
    assert.equal(peer.type, "agent");
    await page.context().close();
    await fishjam.deleteRoom(room.id);
  });
}
