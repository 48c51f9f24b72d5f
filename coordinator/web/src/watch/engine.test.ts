import { expect, test } from "vitest";
import { behindGap_s } from "./engine";

test("behind a gap is the next that came, and nowhere else is a gap", () => {
  const at = (currentTime: number) => behindGap_s(video(currentTime, [18, 29.3], [38.7, 39]));
  expect(at(34.8), "in the gap").toBe(38.7);
  expect(at(29.3), "at its edge").toBe(38.7);
  expect(at(29.2), "so near its edge that nothing more is shown").toBe(38.7);
  expect(at(25)).toBeNull();
  expect(at(38.75), "behind it").toBeNull();
  expect(at(40), "nothing came yet").toBeNull();
});

function video(currentTime: number, ...ranges: [number, number][]): HTMLVideoElement {
  const buffered = {
    length: ranges.length,
    start: (at: number) => ranges[at]?.[0],
    end: (at: number) => ranges[at]?.[1],
  };
  return { currentTime, buffered } as unknown as HTMLVideoElement;
}
