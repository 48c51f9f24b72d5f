// The whole at a glance: how much is going on, who needs a look, and how it was in the last minutes.

import { useCallback } from "react";
import { Plot } from "../plot/Plot";
import type { Api } from "./api";
import type { History, Totals } from "./cluster";
import { Freshness } from "./Freshness";
import { busiest, loadLine, totalLine } from "./lines";
import { Marked } from "./Marked";
import { HISTORY_MS, LIVE_MS } from "./pace";
import { usePolled } from "./usePolled";
import { WorkerTable } from "./WorkerTable";
import { health } from "./words";

export function ClusterView({ api }: { api: Api }) {
  const present = useCallback(
    async (signal: AbortSignal) => {
      const [totals, workers] = await Promise.all([api.totals(signal), api.workers(signal)]);
      return { totals, workers };
    },
    [api],
  );
  const live = usePolled(present, LIVE_MS);
  const history = usePolled(api.history, HISTORY_MS);
  return (
    <>
      <div className="view-head">
        <h1>Cluster</h1>
        <Freshness {...live} />
      </div>
      {live.value && (
        <>
          <p className="health">
            <Marked {...health(live.value.workers)} />
          </p>
          <Figures totals={live.value.totals} />
        </>
      )}
      <section aria-labelledby="workers">
        <h2 id="workers">Workers</h2>
        {live.value && <WorkerTable workers={live.value.workers} history={history.value} />}
      </section>
      <section aria-labelledby="minutes">
        <h2 id="minutes">The last 15 minutes</h2>
        {history.failure && <p className="soft">The history cannot be read at the moment.</p>}
        {history.value && <Plots history={history.value} />}
      </section>
    </>
  );
}

function Figures({ totals }: { totals: Totals }) {
  const figures = [
    ["Rooms", totals.rooms],
    ["Peers connected", `${totals.peers_connected} of ${totals.peers}`],
    ["Workers ready", `${totals.workers_ready} of ${totals.workers}`],
  ];
  return (
    <dl className="figures">
      {figures.map(([name, figure]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{figure}</dd>
        </div>
      ))}
    </dl>
  );
}

function Plots({ history }: { history: History }) {
  const workers = busiest(history.workers);
  const of = (key: Parameters<typeof loadLine>[3], scale = 1) =>
    workers.map((worker) => loadLine(history, worker, worker.worker, key, scale));
  return (
    <>
      {workers.length < history.workers.length && (
        <p className="soft">
          Of {history.workers.length} workers, the {workers.length} busiest are drawn.
        </p>
      )}
      <div className="plots">
        <Plot title="CPU load" unit="%" series={of("cpu_permille", 0.1)} />
        <Plot title="Sent to peers" unit="bit/s" series={of("bits_out_per_s")} />
        <Plot title="Received from peers" unit="bit/s" series={of("bits_in_per_s")} />
        <Plot title="Packets sent" unit="packets/s" series={of("packets_out_per_s")} />
        <Plot
          title="Rooms and peers"
          unit=""
          series={[totalLine(history, "rooms", "rooms"), totalLine(history, "peers connected", "peers_connected")]}
        />
        <Plot title="Workers ready" unit="" series={[totalLine(history, "ready", "workers_ready")]} />
      </div>
    </>
  );
}
