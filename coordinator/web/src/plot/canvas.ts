// The drawing itself: one uPlot per element, in the colours that the page's style gives to its swatches.

import UPlot from "uplot";
import { clock } from "./clock";
import { tick } from "./quantity";
import type { Columns } from "./series";

export interface Canvas {
  draw: (columns: Columns) => void;
  close: () => void;
}

interface Look {
  names: readonly string[];
  unit: string;
  /** The colour of a line, asked at each drawing, so that a change of theme needs no more than one. */
  colour: (line: number) => string;
  ink: () => string;
  grid: () => string;
  /** The row under the pointer, `null` when it is elsewhere. */
  onPoint: (row: number | null) => void;
}

/** Second and later lines differ in more than their colour. */
const DASHES: readonly number[][] = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
const FONT = "12px system-ui, sans-serif";
const MINUTE_MS = 60_000;

export function open(box: HTMLElement, look: Look): Canvas {
  const size = () => ({ width: Math.max(box.clientWidth, 1), height: Math.max(box.clientHeight, 1) });
  const plot = new UPlot({ ...size(), ...options(look) }, [[], ...look.names.map(() => [])], box);
  const resized = new ResizeObserver(() => plot.setSize(size()));
  resized.observe(box);
  const redraw = () => plot.redraw(false);
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", redraw);
  const chosen = new MutationObserver(redraw);
  chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return {
    draw: (columns) => plot.setData(columns),
    close: () => {
      resized.disconnect();
      system.removeEventListener("change", redraw);
      chosen.disconnect();
      plot.destroy();
    },
  };
}

function options({ names, unit, colour, ink, grid, onPoint }: Look): Omit<UPlot.Options, "width" | "height"> {
  const axis = { stroke: ink, font: FONT, grid: { stroke: grid, width: 1 }, ticks: { show: false }, gap: 6 };
  const line = (name: string, index: number): UPlot.Series => ({
    label: name,
    stroke: () => colour(index),
    width: 2,
    dash: DASHES[index % DASHES.length] ?? [],
    points: { show: false },
  });
  return {
    ms: 1,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { y: { range: (_, least, most) => [Math.min(0, least ?? 0), Math.max(1, (most ?? 0) * 1.1)] } },
    axes: [
      {
        ...axis,
        space: 64,
        size: 26,
        values: (_, moments, __, ___, step) => moments.map((at) => clock(at, step < MINUTE_MS)),
      },
      { ...axis, space: 32, size: 52, values: (_, values) => values.map((value) => tick(value, unit)) },
    ],
    series: [{}, ...names.map(line)],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
  };
}
