// Where every tile stands: all in a grid, or one on a stage with the others in a strip beside it.
// Tiles are placed, not nested, so that a playing picture is never taken out of the page when the layout changes.

import { grid, type Size } from "./grid";

export interface Rect extends Size {
  x: number;
  y: number;
}

/** The strip's share of the longer side: more people need more of it. */
const STRIP_SHARE = { few: 0.2, many: 0.32 };
const MANY = 8;
const STRIP_PX_MIN = 96;

/** The stage keeps a camera's shape where the room is wide. */
const STAGE_ASPECT = 16 / 9;

/** A place for every key; `stage` is one of them or nobody. */
export function layout(keys: readonly string[], stage: string | null, box: Size, gap: number): Map<string, Rect> {
  const others = keys.filter((key) => key !== stage);
  if (stage === null || others.length === keys.length) return pack(keys, { x: 0, y: 0, ...box }, gap);
  if (others.length === 0) return new Map([[stage, onStage({ x: 0, y: 0, ...box })]]);
  const { front, strip } = split(box, others.length, gap);
  return new Map([[stage, onStage(front)], ...pack(others, strip, gap)]);
}

function split({ width, height }: Size, others: number, gap: number): { front: Rect; strip: Rect } {
  const share = others > MANY ? STRIP_SHARE.many : STRIP_SHARE.few;
  if (width >= height) {
    const across = Math.max(STRIP_PX_MIN, Math.round(width * share));
    const x = width - across;
    return { front: { x: 0, y: 0, width: x - gap, height }, strip: { x, y: 0, width: across, height } };
  }
  const across = Math.max(STRIP_PX_MIN, Math.round(height * share));
  const y = height - across;
  return { front: { x: 0, y: 0, width, height: y - gap }, strip: { x: 0, y, width, height: across } };
}

function onStage(room: Rect): Rect {
  if (room.width < room.height) return room;
  const width = Math.floor(Math.min(room.width, room.height * STAGE_ASPECT));
  const height = Math.floor(width / STAGE_ASPECT);
  return { x: room.x + (room.width - width) / 2, y: room.y + (room.height - height) / 2, width, height };
}

/** A grid in the middle of its room; a last row that is not full stands in the middle too. */
function pack(keys: readonly string[], room: Rect, gap: number): Map<string, Rect> {
  const { columns, width, height } = grid(keys.length, room, gap);
  const rows = Math.ceil(keys.length / columns);
  const span = (count: number, size: number) => count * size + (count - 1) * gap;
  const top = room.y + (room.height - span(rows, height)) / 2;
  const places = keys.map((key, at): [string, Rect] => {
    const row = Math.floor(at / columns);
    const inRow = Math.min(columns, keys.length - row * columns);
    const left = room.x + (room.width - span(inRow, width)) / 2;
    return [key, { x: left + (at % columns) * (width + gap), y: top + row * (height + gap), width, height }];
  });
  return new Map(places);
}
