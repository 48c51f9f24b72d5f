// The lines that are drawn of the history.

import type { Series } from "../plot/series";
import type { History, Load, Totals, WorkerHistory } from "./cluster";

/** More lines than this cannot be told apart. */
export const LINES_MAX = 6;

export function totalLine({ at_ms, totals }: History, name: string, key: keyof Totals): Series {
  return line(name, at_ms, totals[key]);
}

export function loadLine({ at_ms }: History, worker: WorkerHistory, name: string, key: keyof Load, scale = 1): Series {
  return line(
    name,
    at_ms,
    worker[key].map((value) => (value === null ? null : value * scale)),
  );
}

/** The workers that are worth a line: those with the highest load now, in the order of their names. */
export function busiest(workers: readonly WorkerHistory[]): WorkerHistory[] {
  const load = ({ cpu_permille }: WorkerHistory) => cpu_permille.at(-1) ?? -1;
  const first = [...workers].sort((a, b) => load(b) - load(a)).slice(0, LINES_MAX);
  return workers.filter((worker) => first.includes(worker));
}

function line(name: string, at_ms: readonly number[], values: readonly (number | null)[]): Series {
  return { name, points: at_ms.map((at, index) => [at, values[index] ?? null] as const) };
}
