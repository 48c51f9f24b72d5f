// A condition: a shape and a word; the colour comes on top.

import type { Condition } from "./words";

const SHAPES = {
  fine: <path d="M4.500 10.500l3.500 3.500 7.500-8" />,
  look: <path d="M10 4v7M10 15v.100" />,
  trouble: <path d="M5 5l10 10M15 5L5 15" />,
} as const;

export function Marked({ mark, word, detail }: Condition) {
  return (
    <span className="marked" data-mark={mark}>
      <svg viewBox="0 0 20 20" aria-hidden="true">
        {SHAPES[mark]}
      </svg>
      <span>
        <b>{word}</b>
        {detail && `: ${detail}`}
      </span>
    </span>
  );
}
