// A load as a bar with its limit, and as the number that the bar only hints at.

import { percent } from "./words";

interface Props {
  permille: number;
  /** Above it nothing new is placed here. */
  limit: number;
}

export function LoadBar({ permille, limit }: Props) {
  const width = (value: number) => `${Math.min(100, value / 10)}%`;
  return (
    <span className="load">
      <span className="load-bar" aria-hidden="true" data-full={permille >= limit || undefined}>
        <i style={{ width: width(permille) }} />
        <u style={{ left: width(limit) }} />
      </span>
      <span className="load-number">{percent(permille)}</span>
    </span>
  );
}
