import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Failure } from "./api";
import { poller } from "./usePolled";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("it asks again after each answer, and a failure leaves the value alone", async () => {
  const answers = [1, new Failure("gone", "no answer"), 2];
  const load = vi.fn(async () => {
    const answer = answers.shift();
    if (answer instanceof Failure) throw answer;
    return answer;
  });
  const told: unknown[] = [];
  const poll = poller(
    load,
    2_000,
    ({ at: _, ...change }) => told.push(change),
    () => false,
  );
  poll.ask();
  await vi.advanceTimersByTimeAsync(4_000);
  poll.stop();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told).toEqual([
    { value: 1, failure: null },
    { failure: new Failure("gone", "no answer") },
    { value: 2, failure: null },
  ]);
  expect(load).toHaveBeenCalledTimes(3);
});

test("a hidden page asks nothing until it is looked at", async () => {
  let hidden = true;
  const load = vi.fn(async () => 1);
  const poll = poller(
    load,
    2_000,
    () => undefined,
    () => hidden,
  );
  poll.ask();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(load).not.toHaveBeenCalled();
  hidden = false;
  poll.ask();
  expect(load).toHaveBeenCalledOnce();
  poll.stop();
});

test("the answer to an older question is not told", async () => {
  const told = vi.fn();
  const answers: ((value: number) => void)[] = [];
  const poll = poller(
    () => new Promise<number>((answer) => answers.push(answer)),
    2_000,
    told,
    () => false,
  );
  poll.ask();
  poll.ask();
  answers[0]?.(1);
  await vi.advanceTimersByTimeAsync(0);
  expect(told).not.toHaveBeenCalled();
  answers[1]?.(2);
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toHaveBeenCalledOnce();
  poll.stop();
});
