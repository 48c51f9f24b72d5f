import { expect, test } from "vitest";
import { readingOf, trackBps } from "./reading";
import { type Sample, sampleOf } from "./sample";

const report = (bytes: number, lost: number, extra: [string, Record<string, unknown>][] = []) =>
  new Map<string, Record<string, unknown>>([
    ["c", { type: "codec", mimeType: "video/VP8" }],
    [
      "v",
      {
        type: "inbound-rtp",
        kind: "video",
        trackIdentifier: "t",
        bytesReceived: bytes,
        packetsReceived: bytes / 100,
        packetsLost: lost,
        frameHeight: 360,
        frameWidth: 640,
        framesPerSecond: 24,
        codecId: "c",
      },
    ],
    ["o", { type: "outbound-rtp", kind: "audio", bytesSent: bytes * 2 }],
    ["p", { type: "candidate-pair", nominated: true, state: "succeeded", currentRoundTripTime: 0.04 }],
    ["r", { type: "remote-inbound-rtp", fractionLost: 0.25 }],
    ...extra,
  ]);

test("a sample holds the numbers of every stream, with the name of its codec", () => {
  const sample = sampleOf(report(1_000, 0), 5);
  expect(sample.inbound[0]).toMatchObject({ track: "t", kind: "video", height: 360, codec: "VP8" });
  expect(sample).toMatchObject({ at: 5, rtt_ms: 40, lossOut: 0.25 });
});

test("a reading tells what happened in between", () => {
  const reading = readingOf(sampleOf(report(1_000, 0), 0), sampleOf(report(3_000, 20), 2_000));
  expect(reading).toMatchObject({ in_bps: 8_000, out_bps: 16_000, lossIn: 50, lossOut: 25, fpsIn: 24, heightIn: 360 });
  expect(trackBps(sampleOf(report(1_000, 0), 0), sampleOf(report(3_000, 0), 2_000), "t")).toBe(8_000);
});

test("a track that appears is no burst, and one that goes away no negative rate", () => {
  const other: [string, Record<string, unknown>] = [
    "w",
    { type: "inbound-rtp", kind: "video", trackIdentifier: "u", bytesReceived: 9_999, packetsLost: 9 },
  ];
  const one = sampleOf(report(1_000, 0), 0);
  const two = sampleOf(report(1_000, 0, [other]), 1_000);
  expect(readingOf(one, two)).toMatchObject({ in_bps: 0, lossIn: 0 });
  expect(readingOf({ ...two, at: 0 }, { ...one, at: 1_000 })).toMatchObject({ in_bps: 0, lossIn: 0 });
});

test("two samples of the same moment say nothing, an empty connection says zero", () => {
  const nothing: Sample = { at: 0, inbound: [], outbound: [], rtt_ms: null, lossOut: 0 };
  expect(readingOf(nothing, nothing)).toBeNull();
  expect(readingOf(nothing, { ...nothing, at: 1 })).toMatchObject({ in_bps: 0, rtt_ms: null, fpsIn: 0 });
});
