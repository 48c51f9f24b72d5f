// How large a picture to take: twenty-four large pictures would be too much for everyone, and nobody sees them large.
// Shared screens are not touched.

export interface Capture {
  width: number;
  height: number;
  frameRate: number;
}

/** From how many people on which picture is enough. */
const STEPS: readonly (Capture & { from: number })[] = [
  { from: 13, width: 320, height: 180, frameRate: 15 },
  { from: 7, width: 480, height: 270, frameRate: 20 },
  { from: 4, width: 640, height: 360, frameRate: 24 },
];
const LARGEST: Capture = { width: 1280, height: 720, frameRate: 30 };

/** The picture for a room with that many people, oneself included. */
export function captureFor(people: number): Capture {
  return STEPS.find(({ from }) => people >= from) ?? LARGEST;
}
