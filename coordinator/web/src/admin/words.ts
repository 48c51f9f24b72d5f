// The state of things in words, so that nothing is told by a colour alone.

import type { Candidate, Placement, Worker } from "./cluster";

export type Mark = "fine" | "look" | "trouble";

export interface Condition {
  mark: Mark;
  word: string;
  detail: string;
}

export function condition(worker: Worker): Condition {
  if (worker.suspect) {
    return { mark: "trouble", word: "Suspect", detail: `silent for ${span(worker.silent_ms)}, gets no new rooms` };
  }
  switch (worker.state) {
    case "starting":
      return { mark: "look", word: "Starting", detail: "does not serve yet" };
    case "cordoned":
      return { mark: "look", word: "Cordoned", detail: "keeps its rooms, takes no new ones" };
    case "draining":
      return { mark: "look", word: "Draining", detail: "its rooms are being moved away" };
    case "ready":
      return ready(worker);
  }
}

/** One sentence about all workers. */
export function health(workers: readonly Worker[]): Condition {
  const unwell = workers.filter((worker) => condition(worker).mark !== "fine");
  if (workers.length === 0) {
    return {
      mark: "trouble",
      word: "No worker is known",
      detail: "rooms cannot be created until one announces itself",
    };
  }
  if (unwell.length === 0) {
    const word = workers.length === 1 ? "The one worker is ready" : `All ${workers.length} workers are ready`;
    return { mark: "fine", word, detail: "" };
  }
  const mark = unwell.some((worker) => condition(worker).mark === "trouble") ? "trouble" : "look";
  const said = unwell.map((worker) => `${worker.worker} is ${condition(worker).word.toLowerCase()}`);
  const rest = said.length > SAID_MAX ? ` and ${said.length - SAID_MAX} more` : "";
  return {
    mark,
    word: `${workers.length - unwell.length} of ${workers.length} workers are ready`,
    detail: said.slice(0, SAID_MAX).join(", ") + rest,
  };
}

/** Workers that are named before the rest is only counted. */
const SAID_MAX = 4;

/** As the coordinator scores: idle workers count as equally loaded, and so do others within one step. */
const IDLE_PERMILLE = 50;
const LOAD_STEP_PERMILLE = 10;

/** Why a room lives where it lives. */
export function why({ worker, candidates }: Pick<Placement, "worker" | "candidates">): string {
  const scored = candidates.flatMap(({ worker, verdict }) =>
    verdict.type === "scored" ? [{ worker, ...verdict }] : [],
  );
  const chosen = scored.find((one) => one.worker === worker);
  if (!chosen) return `${worker} holds this room; how it was chosen is not recorded.`;
  const others = scored.filter((one) => one !== chosen);
  if (others.length === 0) return `${worker} was chosen: it was the only one that could take the room.`;
  const near = others.filter((one) => one.region_miss === chosen.region_miss);
  if (near.length === 0) return `${worker} was chosen: it is the only one in the wanted region.`;
  const idle = (load: number) => load < IDLE_PERMILLE;
  const step = (load: number) => (idle(load) ? 0 : Math.floor(load / LOAD_STEP_PERMILLE));
  const equal = near.filter((one) => step(one.load_permille) === step(chosen.load_permille));
  if (equal.length === 0) return `${worker} was chosen: it was the least loaded, at ${percent(chosen.load_permille)}.`;
  if (!idle(chosen.load_permille)) return `${worker} was chosen: others were as good, and the lot fell on it.`;
  if (equal.every((one) => one.rooms > chosen.rooms)) {
    return `${worker} was chosen: among the least loaded it held the fewest rooms, ${chosen.rooms}.`;
  }
  return `${worker} was chosen: others were as good, and its name comes first.`;
}

/** What the choice meant for one candidate. */
export function outcome({ worker, verdict }: Candidate, chosen: string): string {
  if (verdict.type === "excluded") return `Left out: ${verdict.reason}`;
  return worker === chosen ? "Chosen" : "Could have taken it";
}

export function percent(permille: number): string {
  return `${(permille / 10).toFixed(permille < 100 ? 1 : 0)} %`;
}

export function span(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 1) return "less than a second";
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function ready({ effective_load_permille, rooms_placed, capacity, load }: Worker): Condition {
  const limits = [
    [effective_load_permille >= capacity.load_permille_max, "its load is at the limit"],
    [Math.max(rooms_placed, load.rooms) >= capacity.rooms_max, "it holds as many rooms as it may"],
    [load.sessions >= capacity.sessions_max, "it holds as many sessions as it may"],
  ] as const;
  const reached = limits.find(([full]) => full);
  if (reached) return { mark: "look", word: "Full", detail: reached[1] };
  return { mark: "fine", word: "Ready", detail: "" };
}
