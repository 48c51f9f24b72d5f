import { expect, test } from "vitest";
import { renditionsOf } from "./renditions";

test("the best one comes first, and keeps its place in the playlist", () => {
  const versions = [
    { height: 180, bitrate: 200_000 },
    { height: 720, bitrate: 2_500_000 },
    { height: 360, bitrate: 700_000 },
  ];
  expect(renditionsOf(versions)).toEqual([
    { index: 1, name: "720p" },
    { index: 2, name: "360p" },
    { index: 0, name: "180p" },
  ]);
});

test("versions of the same height are told apart", () => {
  const versions = [700_000, 2_500_000].map((bitrate) => ({ height: 720, bitrate }));
  expect(renditionsOf(versions).map(({ name }) => name)).toEqual(["720p, 2500 kbit/s", "720p, 700 kbit/s"]);
});

test("sound alone has a name as well", () => {
  expect(renditionsOf([{ height: 0, bitrate: 128_000 }])).toEqual([{ index: 0, name: "Sound" }]);
});
