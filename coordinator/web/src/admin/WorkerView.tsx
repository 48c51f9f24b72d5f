// One worker: what it is, what it may take, and how it was in the last minutes.

import { useCallback } from "react";
import { Plot } from "../plot/Plot";
import type { Api } from "./api";
import type { History, Worker } from "./cluster";
import { Freshness } from "./Freshness";
import { LoadBar } from "./LoadBar";
import { loadLine } from "./lines";
import { Marked } from "./Marked";
import { HISTORY_MS, LIVE_MS } from "./pace";
import { link } from "./route";
import { usePolled } from "./usePolled";
import { condition, counted, percent } from "./words";

export function WorkerView({ api, worker }: { api: Api; worker: string }) {
  const live = usePolled(api.workers, LIVE_MS);
  const past = useCallback((signal: AbortSignal) => api.history(signal, worker), [api, worker]);
  const history = usePolled(past, HISTORY_MS);
  const known = live.value?.find((one) => one.worker === worker);
  return (
    <>
      <div className="view-head">
        <h1>Worker {worker}</h1>
        <Freshness {...live} />
      </div>
      {live.value && !known && (
        <p className="empty">This worker has not been heard for ten seconds. What is drawn is what it said before.</p>
      )}
      {known && <About worker={known} />}
      <section aria-labelledby="minutes">
        <h2 id="minutes">The last 15 minutes</h2>
        {history.value && <Plots history={history.value} />}
      </section>
    </>
  );
}

function About({ worker }: { worker: Worker }) {
  const { capacity, load } = worker;
  const expected = worker.effective_load_permille - load.cpu_permille;
  return (
    <>
      <p className="health">
        <Marked {...condition(worker)} />
      </p>
      <dl className="facts">
        <dt>Load</dt>
        <dd>
          <LoadBar permille={worker.effective_load_permille} limit={capacity.load_permille_max} />
          <span className="soft small">
            {expected > 0 && `${percent(expected)} of it is expected of what was just placed here; `}no new rooms above{" "}
            {percent(capacity.load_permille_max)}
          </span>
        </dd>
        <dt>Rooms</dt>
        <dd>
          <a href={link({ at: "rooms", worker: worker.worker })}>{counted(worker.rooms_placed, "room")}</a>, at most{" "}
          {capacity.rooms_max}
        </dd>
        <dt>Sessions</dt>
        <dd>
          {load.sessions}, at most {capacity.sessions_max}
        </dd>
        <dt>Tracks</dt>
        <dd>{load.tracks}</dd>
        <dt>Region</dt>
        <dd>{worker.region || "none named"}</dd>
        <dt>Media addresses</dt>
        <dd className="code">{worker.endpoints.join(", ") || "none"}</dd>
        <dt>Version</dt>
        <dd className="code">{worker.version}</dd>
        <dt>Incarnation</dt>
        <dd className="code">{worker.incarnation}</dd>
      </dl>
    </>
  );
}

function Plots({ history }: { history: History }) {
  const [worker] = history.workers;
  if (!worker) return <p className="empty">Nothing was measured yet.</p>;
  const of = (name: string, key: Parameters<typeof loadLine>[3], scale = 1) =>
    loadLine(history, worker, name, key, scale);
  return (
    <div className="plots">
      <Plot title="CPU load" unit="%" series={[of("load", "cpu_permille", 0.1)]} />
      <Plot title="Traffic" unit="bit/s" series={[of("in", "bits_in_per_s"), of("out", "bits_out_per_s")]} />
      <Plot title="Packets" unit="packets/s" series={[of("in", "packets_in_per_s"), of("out", "packets_out_per_s")]} />
      <Plot
        title="Rooms, sessions and tracks"
        unit=""
        series={[of("rooms", "rooms"), of("sessions", "sessions"), of("tracks", "tracks")]}
      />
    </div>
  );
}
