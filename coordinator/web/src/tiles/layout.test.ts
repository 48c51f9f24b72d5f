import { expect, test } from "vitest";
import { layout, type Rect } from "./layout";

const BOXES = {
  desk: { width: 1248, height: 640 },
  phone: { width: 366, height: 660 },
  "lying phone": { width: 820, height: 230 },
  "beside a drawer": { width: 860, height: 640 },
};
const GAP = 10;

for (const [name, box] of Object.entries(BOXES)) {
  for (const count of [1, 2, 4, 9, 25]) {
    for (const stage of [null, "p0"]) {
      test(`${count} people on a ${name}, ${stage ? "one on the stage" : "in a grid"}: all inside, none over another`, () => {
        const keys = Array.from({ length: count }, (_, at) => `p${at}`);
        const places = layout(keys, stage, box, GAP);
        expect([...places.keys()].sort()).toEqual([...keys].sort());
        const rects = [...places.values()];
        for (const rect of rects) expect(inside(rect, box)).toBe(true);
        for (const [at, one] of rects.entries())
          for (const other of rects.slice(at + 1)) expect(apart(one, other)).toBe(true);
      });
    }
  }
}

test("the stage is larger than everything beside it", () => {
  const [stage, other] = [...layout(["a", "b", "c"], "a", BOXES.desk, GAP).values()];
  expect(stage?.width).toBeGreaterThan(3 * (other?.width ?? 0));
});

test("a stage that nobody stands on is a grid", () => {
  expect(layout(["a", "b"], "gone", BOXES.desk, GAP)).toEqual(layout(["a", "b"], null, BOXES.desk, GAP));
});

test("a last row that is not full stands in the middle", () => {
  const places = [...layout(["a", "b", "c"], null, { width: 800, height: 600 }, 0).values()];
  const last = places[2];
  expect(last && last.x + last.width / 2).toBe(400);
});

function inside({ x, y, width, height }: Rect, box: { width: number; height: number }): boolean {
  return width > 20 && height > 15 && x >= 0 && y >= 0 && x + width <= box.width + 1 && y + height <= box.height + 1;
}

function apart(one: Rect, other: Rect): boolean {
  const beside = one.x + one.width <= other.x + 1 || other.x + other.width <= one.x + 1;
  return beside || one.y + one.height <= other.y + 1 || other.y + other.height <= one.y + 1;
}
