import { expect, test } from "vitest";
import type { History, WorkerHistory } from "./cluster";
import { busiest, LINES_MAX, loadLine } from "./lines";

test("silence interrupts a line", () => {
  const history = { at_ms: [1, 2] } as History;
  expect(loadLine(history, worker("w1", null), "w1", "cpu_permille", 0.1).points).toEqual([
    [1, 1],
    [2, null],
  ]);
});

test("of many workers the busiest are drawn, in the order of their names", () => {
  const many = Array.from({ length: 9 }, (_, n) => worker(`w${n}`, n === 1 ? 999 : n));
  const names = busiest(many).map(({ worker }) => worker);
  expect(names).toEqual(["w1", "w4", "w5", "w6", "w7", "w8"]);
  expect(names.length).toBe(LINES_MAX);
});

function worker(name: string, last: number | null): WorkerHistory {
  return { worker: name, cpu_permille: [10, last] } as WorkerHistory;
}
