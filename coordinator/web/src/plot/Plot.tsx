// Lines over time: drawn, told in words to a screen reader, and as a table to whoever asks for it.

import "uplot/dist/uPlot.min.css";
import "./plot.css";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import { type Canvas, open } from "./canvas";
import { clock } from "./clock";
import { quantity, tick } from "./quantity";
import { type Columns, columns, inWords, latest, type Series, thinned } from "./series";

interface Props {
  title: string;
  unit: string;
  series: readonly Series[];
}

/** Rows of the table, newest first. */
const ROWS_MAX = 15;

export function Plot({ title, unit, series }: Props) {
  const heading = useId();
  const shown = useMemo(() => columns(series), [series]);
  const [row, setRow] = useState<number | null>(null);
  // Lines are made once for their names; new values are drawn into them.
  const names = JSON.stringify(series.map(({ name }) => name));
  const value = (line: number, one: Series) => (row === null ? latest(one) : (shown[line + 1]?.[row] ?? null));
  return (
    <figure className="plot" aria-labelledby={heading}>
      <figcaption id={heading}>
        {title} {unit && <small>{unit}</small>}
      </figcaption>
      <ul className="plot-legend" aria-hidden="true">
        {series.map((one, line) => (
          <li key={one.name}>
            <i data-line={(line % LINES_KNOWN) + 1} />
            {one.name} <b>{written(value(line, one), unit, tick)}</b>
          </li>
        ))}
      </ul>
      <Drawing key={names} names={names} unit={unit} shown={shown} onPoint={setRow} />
      <p className="plot-words">{inWords(series, unit)}</p>
      <Table title={title} unit={unit} series={series} shown={shown} />
    </figure>
  );
}

/** As many lines as the style sheet has colours for. */
const LINES_KNOWN = 6;

interface DrawingProps {
  names: string;
  unit: string;
  shown: Columns;
  onPoint: (row: number | null) => void;
}

function Drawing({ names, unit, shown, onPoint }: DrawingProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<Canvas>(null);
  useEffect(() => {
    if (!box.current) return;
    const own = box.current;
    const colour = (element: Element | null | undefined) => getComputedStyle(element ?? own).color;
    const swatches = () => own.parentElement?.querySelectorAll(".plot-legend i");
    canvas.current = open(own, {
      names: JSON.parse(names) as string[],
      unit,
      colour: (line) => colour(swatches()?.[line]),
      ink: () => colour(own),
      grid: () => getComputedStyle(own).borderTopColor,
      onPoint,
    });
    return () => canvas.current?.close();
  }, [names, unit, onPoint]);
  useEffect(() => canvas.current?.draw(shown), [shown]);
  return <div ref={box} className="plot-box" aria-hidden="true" />;
}

interface TableProps extends Props {
  shown: Columns;
}

function Table({ title, unit, series, shown }: TableProps) {
  const [open, setOpen] = useState(false);
  return (
    <details className="plot-table" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        Values<span className="plot-words"> of {title}</span>
      </summary>
      {open && (
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {series.map(({ name }) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {thinned(shown, ROWS_MAX).map(({ at, values }) => (
              <tr key={at}>
                <th scope="row">{clock(at)}</th>
                {series.map(({ name }, line) => (
                  <td key={name}>{written(values[line] ?? null, unit)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}

function written(value: number | null, unit: string, words = quantity): string {
  return value === null ? "–" : words(value, unit);
}
