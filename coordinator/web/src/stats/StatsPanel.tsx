// The connection in numbers: where it goes, what everyone's picture looks like on the way, and the last minutes as plots.

import { lazy, Suspense } from "react";
import { Panel } from "../room/Panel";
import type { Person } from "../room/person";
import type { Ticket } from "../visit/join";
import { bitrate } from "./format";
import { QUALITY_WORDS } from "./quality";
import { trackBps } from "./reading";
import type { Sample } from "./sample";
import type { Stats } from "./useStats";
import "./stats.css";

// Plots are for the curious: the others need not load what draws them.
const Plots = lazy(() => import("./Plots").then(({ Plots }) => ({ default: Plots })));

interface Props {
  stats: Stats;
  people: readonly Person[];
  ticket: Ticket;
  room: string;
  close: () => void;
}

export function StatsPanel({ stats, people, ticket, room, close }: Props) {
  const { readings, samples, quality } = stats;
  const sent = samples?.[1].outbound.filter(({ kind }) => kind === "video") ?? [];
  return (
    <Panel name="stats" title="Connection" close={close}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys */}
      <section className="numbers" tabIndex={0} aria-label="Numbers">
        <dl>
          <Fact name="Quality">{QUALITY_WORDS[quality]}</Fact>
          <Fact name="Room">{ticket.room || room}</Fact>
          <Fact name="Worker">{ticket.worker ?? "not told"}</Fact>
          <Fact name="Sent">
            {sent.length === 0 ? "no picture" : sent.map((video) => picture(video, video.rid)).join(", ")}
          </Fact>
        </dl>
        {samples && <Received people={people} samples={samples} />}
        <Suspense fallback={null}>
          <Plots readings={readings} />
        </Suspense>
      </section>
    </Panel>
  );
}

function Fact({ name, children }: { name: string; children: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Received({
  people,
  samples: [before, now],
}: {
  people: readonly Person[];
  samples: readonly [Sample, Sample];
}) {
  const rows = people.flatMap(({ id, own, name, camera, screen }) => {
    if (own) return [];
    const videos = [
      { key: id, name, track: camera },
      { key: `${id}-screen`, name: `${name}’s screen`, track: screen },
    ];
    return videos.filter(({ track }) => track !== null);
  });
  if (rows.length === 0) return null;
  return (
    <table>
      <caption>Pictures that arrive</caption>
      <thead>
        <tr>
          <th scope="col">Who</th>
          <th scope="col">Picture</th>
          <th scope="col">Rate</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, track }) => {
          const inbound = now.inbound.find((stream) => stream.track === track?.id);
          return (
            <tr key={key}>
              <th scope="row">{name}</th>
              <td>{inbound ? picture(inbound, "") : "none yet"}</td>
              <td>{bitrate(trackBps(before, now, track?.id ?? ""))}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

interface Picture {
  width: number;
  height: number;
  fps: number;
  codec: string;
}

function picture({ width, height, fps, codec }: Picture, layer: string): string {
  if (height === 0) return "nothing";
  return [`${width}×${height}`, `${Math.round(fps)} fps`, codec, layer && `layer ${layer}`].filter(Boolean).join(" ");
}
