// How many columns of tiles make the tiles largest.

const LANDSCAPE = 16 / 9;
/** On an upright phone squares use the room better; the video is cropped to them. */
const UPRIGHT = 1;

export interface Grid {
  columns: number;
  /** Size of one tile in pixels. */
  width: number;
  height: number;
}

/** The best grid for `count` tiles in a box, with `gap` pixels between them. */
export function grid(count: number, boxWidth: number, boxHeight: number, gap: number): Grid {
  const aspect = boxWidth < boxHeight ? UPRIGHT : LANDSCAPE;
  let best: Grid = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const byWidth = (boxWidth - gap * (columns - 1)) / columns;
    const byHeight = ((boxHeight - gap * (rows - 1)) / rows) * aspect;
    const width = Math.floor(Math.min(byWidth, byHeight));
    if (width > best.width) best = { columns, width, height: Math.floor(width / aspect) };
  }
  return best;
}
