/**
 * The arithmetic of a map of cells: which square belongs to which cell. Free of the page, so that it can be tested.
 */
export interface Grid {
  readonly columns: number;
  readonly rows: number;
  /** Side of a square with its gap, CSS px. */
  readonly pitch: number;
}

/** Sides of a square that the map chooses from, px: from one that shows a mark to one that is still a target. */
export const PITCHES = [8, 10, 14, 18, 24, 30] as const;

/** Rows that a map has at most before the squares get smaller. */
const WANTED_ROWS = 12;

/** The largest squares with which `cells` cells fit in a few rows of `width`; `zoom` steps up or down from there. */
export function gridFor(cells: number, width: number, zoom: number): Grid {
  const fits = PITCHES.findLastIndex((pitch) => Math.ceil(cells / columnsOf(width, pitch)) <= WANTED_ROWS);
  const at = Math.min(PITCHES.length - 1, Math.max(0, Math.max(0, fits) + zoom));
  const pitch = PITCHES[at] ?? PITCHES[0];
  const columns = columnsOf(width, pitch);
  return { columns, rows: Math.max(1, Math.ceil(cells / columns)), pitch };
}

function columnsOf(width: number, pitch: number): number {
  return Math.max(1, Math.floor(width / pitch));
}

/** The index of the cell at a point; undefined beside the cells. */
export function cellAt({ columns, pitch }: Grid, cells: number, x: number, y: number): number | undefined {
  const column = Math.floor(x / pitch);
  const index = Math.floor(y / pitch) * columns + column;
  return x < 0 || y < 0 || column >= columns || index >= cells ? undefined : index;
}

/** The index after a key; undefined for a key that does not move. */
export function moved({ columns }: Grid, cells: number, from: number, key: string): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
  };
  if (key === "Home") return 0;
  if (key === "End") return cells - 1;
  const by = steps[key];
  return by === undefined ? undefined : Math.min(cells - 1, Math.max(0, from + by));
}

/** The cells in sight: those of the rows between two heights, cut rows included. `last` is after the last one. */
export function cellsBetween(
  { columns, pitch }: Grid,
  cells: number,
  top: number,
  height: number,
): { readonly first: number; readonly last: number } {
  const first = Math.max(0, Math.floor(top / pitch)) * columns;
  const last = Math.max(first, Math.ceil((top + height) / pitch) * columns);
  return { first: Math.min(cells, first), last: Math.min(cells, last) };
}

/** Where a box of `height` must scroll to, from `top`, so that a cell is in sight; the same when it is. */
export function topFor({ columns, pitch }: Grid, at: number, top: number, height: number): number {
  const y = Math.floor(at / columns) * pitch;
  if (y < top) return y;
  return y + pitch > top + height ? y + pitch - height : top;
}
