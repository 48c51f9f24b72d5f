// Every worker with what it says of itself.

import { quantity } from "../plot/quantity";
import type { History, Worker } from "./cluster";
import { LoadBar } from "./LoadBar";
import { Marked } from "./Marked";
import { link } from "./route";
import { Sparkline } from "./Sparkline";
import { condition } from "./words";

interface Props {
  workers: readonly Worker[];
  history: History | null;
}

export function WorkerTable({ workers, history }: Props) {
  if (workers.length === 0) return <p className="empty">No worker has announced itself in the last ten seconds.</p>;
  const past = (worker: string) => history?.workers.find((one) => one.worker === worker)?.cpu_permille ?? [];
  return (
    <table className="list">
      <caption className="unseen">Workers, their state and their load</caption>
      <thead>
        <tr>
          <th scope="col">Worker</th>
          <th scope="col">State</th>
          <th scope="col">Load</th>
          <th scope="col">15 minutes</th>
          <th scope="col">Rooms</th>
          <th scope="col">Sessions</th>
          <th scope="col">Tracks</th>
          <th scope="col">In</th>
          <th scope="col">Out</th>
        </tr>
      </thead>
      <tbody>
        {workers.map((worker) => (
          <tr key={worker.worker}>
            <th scope="row">
              <a href={link({ at: "worker", worker: worker.worker })}>{worker.worker}</a>
              {worker.region && <span className="soft small"> {worker.region}</span>}
            </th>
            <td data-label="State">
              <Marked {...condition(worker)} />
            </td>
            <td data-label="Load">
              <LoadBar permille={worker.effective_load_permille} limit={worker.capacity.load_permille_max} />
            </td>
            <td data-label="15 minutes">
              <Sparkline values={past(worker.worker)} most={1000} />
            </td>
            <td data-label="Rooms">
              <a
                href={link({ at: "rooms", worker: worker.worker })}
                aria-label={`${worker.rooms_placed} rooms at ${worker.worker}`}
              >
                {worker.rooms_placed}
              </a>
            </td>
            <td data-label="Sessions">{worker.load.sessions}</td>
            <td data-label="Tracks">{worker.load.tracks}</td>
            <td data-label="In">{quantity(worker.load.bits_in_per_s, "bit/s")}</td>
            <td data-label="Out">{quantity(worker.load.bits_out_per_s, "bit/s")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
