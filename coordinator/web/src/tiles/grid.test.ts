import { expect, test } from "vitest";
import { grid } from "./grid";

const DESK = { width: 1400, height: 700 };
const PHONE = { width: 366, height: 660 };

test("one tile fills the box in its own shape", () => {
  expect(grid(1, { width: 1600, height: 900 }, 10)).toEqual({ columns: 1, width: 1600, height: 900 });
});

test("two tiles stand side by side on a desk and on top of each other on a phone", () => {
  expect(grid(2, DESK, 12).columns).toBe(2);
  expect(grid(2, PHONE, 12).columns).toBe(1);
});

test("four people on a phone are two rows of two, nine on a desk are three of three", () => {
  expect(grid(4, PHONE, 12).columns).toBe(2);
  expect(grid(9, DESK, 12).columns).toBe(3);
});

test("every tile fits in a sensible shape, however many there are", () => {
  for (let count = 1; count <= 50; count++) {
    for (const box of [DESK, PHONE, { width: 820, height: 250 }]) {
      const { columns, width, height } = grid(count, box, 8);
      const rows = Math.ceil(count / columns);
      expect(columns * width + (columns - 1) * 8).toBeLessThanOrEqual(box.width);
      expect(rows * height + (rows - 1) * 8).toBeLessThanOrEqual(box.height);
      expect(width / height).toBeGreaterThan(0.7);
      expect(width / height).toBeLessThan(1.9);
    }
  }
});

test("twenty-five people on a phone can still be told apart", () => {
  expect(grid(25, PHONE, 8).width).toBeGreaterThan(60);
});

test("a box without room gives tiles without width", () => {
  expect(grid(4, { width: 0, height: 0 }, 8).width).toBe(0);
});
