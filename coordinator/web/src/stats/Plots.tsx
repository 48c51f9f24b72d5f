// The last minutes of the connection as plots.

import { Plot } from "../plot/Plot";
import type { Reading } from "./reading";
import { line } from "./series";

export function Plots({ readings }: { readings: readonly Reading[] }) {
  const lines = (...wanted: [name: string, value: (reading: Reading) => number | null][]) =>
    wanted.map(([name, value]) => ({ name, points: line(readings, value) }));
  return (
    <div className="plots">
      <Plot
        title="Bitrate"
        unit="kbit/s"
        series={lines(["in", ({ in_bps }) => in_bps / 1_000], ["out", ({ out_bps }) => out_bps / 1_000])}
      />
      <Plot title="Loss" unit="%" series={lines(["in", ({ lossIn }) => lossIn], ["out", ({ lossOut }) => lossOut])} />
      <Plot title="Round trip" unit="ms" series={lines(["round trip", ({ rtt_ms }) => rtt_ms])} />
      <Plot
        title="Frame rate"
        unit="fps"
        series={lines(["in", ({ fpsIn }) => fpsIn], ["out", ({ fpsOut }) => fpsOut])}
      />
      <Plot
        title="Lines of the picture"
        unit="px"
        series={lines(["in", ({ heightIn }) => heightIn], ["out", ({ heightOut }) => heightOut])}
      />
    </div>
  );
}
