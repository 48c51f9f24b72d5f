// How many columns of tiles make the tiles largest, and in which shape.

export interface Size {
  width: number;
  height: number;
}

export interface Grid extends Size {
  columns: number;
}

/** Shapes of a tile, width to height. Pictures are cropped to them, so none is far from a camera's. */
const LANDSCAPE = [16 / 9, 4 / 3];
/** On an upright phone the room is taller than the pictures. */
const UPRIGHT = [4 / 3, 1, 3 / 4];

/** The best grid for `count` tiles in a box, with `gap` pixels between them. */
export function grid(count: number, box: Size, gap: number): Grid {
  let best: Grid = { columns: 1, width: 0, height: 0 };
  for (const aspect of box.width < box.height ? UPRIGHT : LANDSCAPE) {
    for (let columns = 1; columns <= Math.max(1, count); columns++) {
      const rows = Math.ceil(count / columns);
      const byWidth = (box.width - gap * (columns - 1)) / columns;
      const byHeight = ((box.height - gap * (rows - 1)) / rows) * aspect;
      const width = Math.floor(Math.min(byWidth, byHeight));
      const height = Math.floor(width / aspect);
      if (width > 0 && width * height > best.width * best.height) best = { columns, width, height };
    }
  }
  return best;
}
