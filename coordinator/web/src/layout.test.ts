import { expect, test } from "vitest";
import { grid } from "./layout";

test("one tile fills the box in its own shape", () => {
  expect(grid(1, 1600, 900, 10)).toEqual({ columns: 1, width: 1600, height: 900 });
  expect(grid(1, 1600, 450, 10)).toEqual({ columns: 1, width: 800, height: 450 });
});

test("two tiles stand side by side on a desk and on top of each other, in squares, on a phone", () => {
  expect(grid(2, 1400, 700, 12).columns).toBe(2);
  expect(grid(2, 340, 700, 12)).toEqual({ columns: 1, width: 340, height: 340 });
});

test("every tile fits, however many there are", () => {
  for (let count = 1; count <= 50; count++) {
    for (const [boxWidth, boxHeight] of [
      [1200, 700],
      [390, 640],
    ] as const) {
      const { columns, width, height } = grid(count, boxWidth, boxHeight, 8);
      const rows = Math.ceil(count / columns);
      expect(columns * width + (columns - 1) * 8).toBeLessThanOrEqual(boxWidth);
      expect(rows * height + (rows - 1) * 8).toBeLessThanOrEqual(boxHeight);
      expect(width).toBeGreaterThan(0);
    }
  }
});

test("a box without room gives tiles without width", () => {
  expect(grid(4, 0, 0, 8).width).toBe(0);
});
