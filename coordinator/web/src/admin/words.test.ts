import { expect, test } from "vitest";
import type { Candidate, Worker } from "./cluster";
import { condition, counted, health, outcome, percent, span, why } from "./words";

const idle: Worker = {
  worker: "w1",
  incarnation: "1",
  state: "ready",
  region: "",
  version: "0",
  endpoints: [],
  suspect: false,
  silent_ms: 100,
  effective_load_permille: 20,
  rooms_placed: 0,
  capacity: { load_permille_max: 800, rooms_max: 100, sessions_max: 1000 },
  load: {
    cpu_permille: 20,
    packets_in_per_s: 0,
    packets_out_per_s: 0,
    bits_in_per_s: 0,
    bits_out_per_s: 0,
    rooms: 0,
    sessions: 0,
    tracks: 0,
  },
};

const scored = (worker: string, load_permille: number, rooms: number, region_miss = false): Candidate => ({
  worker,
  verdict: { type: "scored", region_miss, load_permille, rooms },
});

test("a worker's condition is a word, and silence outweighs what it last said", () => {
  expect(condition(idle)).toEqual({ mark: "fine", word: "Ready", detail: "" });
  expect(condition({ ...idle, state: "draining" }).word).toBe("Draining");
  expect(condition({ ...idle, state: "draining", suspect: true, silent_ms: 3_200 })).toEqual({
    mark: "trouble",
    word: "Suspect",
    detail: "silent for 3 s, gets no new rooms",
  });
  expect(condition({ ...idle, effective_load_permille: 800 }).word).toBe("Full");
  expect(condition({ ...idle, rooms_placed: 100 }).detail).toBe("it holds as many rooms as it may");
});

test("the health of all is one sentence that names who needs a look", () => {
  expect(health([]).mark).toBe("trouble");
  expect(health([idle]).word).toBe("The one worker is ready");
  const two = [idle, { ...idle, worker: "w2", suspect: true }];
  expect(health(two)).toEqual({ mark: "trouble", word: "1 of 2 workers are ready", detail: "w2 is suspect" });
  const many = Array.from({ length: 9 }, (_, n): Worker => ({ ...idle, worker: `w${n}`, state: "cordoned" }));
  expect(health(many).detail).toMatch(/and 5 more$/);
});

test("a placement is explained by the first difference that the coordinator looks at", () => {
  const lonely: Candidate[] = [scored("a", 0, 0), { worker: "b", verdict: { type: "excluded", reason: "draining" } }];
  const table: [Candidate[], RegExp][] = [
    [lonely, /only one that could/],
    [[scored("a", 300, 9), scored("b", 0, 0, true)], /only one in the wanted region/],
    [[scored("a", 49, 9), scored("b", 50, 0)], /least loaded, at 4.9 %/],
    [[scored("a", 49, 1), scored("b", 0, 2)], /fewest rooms, 1/],
    [[scored("a", 509, 3), scored("b", 500, 2)], /the lot fell on it/],
    [[scored("a", 509, 9), scored("b", 510, 2)], /least loaded, at 51 %/],
    [[scored("a", 0, 1), scored("b", 0, 1)], /name comes first/],
    [[], /not recorded/],
  ];
  for (const [candidates, words] of table) expect(why({ worker: "a", candidates })).toMatch(words);
  expect(lonely.map((candidate) => outcome(candidate, "a"))).toEqual(["Chosen", "Left out: draining"]);
});

test("numbers are as short as they can be read", () => {
  expect([percent(4), percent(123), percent(1000)]).toEqual(["0.4 %", "12 %", "100 %"]);
  expect([span(300), span(59_000), span(600_000)]).toEqual(["less than a second", "59 s", "10 min"]);
  expect([counted(1, "room"), counted(2, "room")]).toEqual(["1 room", "2 rooms"]);
});
