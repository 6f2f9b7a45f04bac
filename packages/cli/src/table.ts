/**
 * Tables that fit the terminal.
 *
 * When a table is too wide, its least important columns are omitted, and the cells of the others are cut with an
 * ellipsis or wrapped. Output to a file or a pipe always has every column and every character.
 */
import { screenColumns, shorten, width, wrapCell } from "./screen.ts";
import { paint } from "./terminal.ts";

export interface Column {
  readonly head: string;
  /** On a narrow terminal, the column with the lowest number is omitted first. Absent: the column always stays. */
  readonly importance?: number;
  /** Whether a long cell continues on further lines. Absent: it is cut with an ellipsis. */
  readonly wraps?: boolean;
}

/** How a list is shown. */
export interface TableForm {
  /** False: without the line of headers. Default: true. */
  readonly hasHeader?: boolean;
  /** True: with every column at its full width, also on a narrow terminal. Default: false. */
  readonly isWide?: boolean;
}

/** A column, or only its header when the column has no further properties. */
type ColumnOrHead = Column | string;

/** Spaces between two columns. */
const GAP = 2;
/** Width to which a column of ids can shrink, in columns of the terminal. Ids remain recognisable. */
const LEAST_CUT = 12;
/** Width to which a column of sentences can shrink, in columns of the terminal. Sentences remain readable. */
const LEAST_WRAPPED = 26;

/**
 * Returns a table with aligned columns; without rows, only the header. `columns` is the width of the terminal;
 * undefined: no limit.
 */
export function table(
  header: readonly ColumnOrHead[],
  rows: readonly (readonly string[])[],
  columns: number | undefined = screenColumns(),
  { hasHeader = true }: Pick<TableForm, "hasHeader"> = {},
): string {
  const all = header.map((one, index) => laidOut(typeof one === "string" ? { head: one } : one, index, rows));
  const kept = columns === undefined ? all : fitted(all, columns);
  const head = kept.map(({ head, width: room }) => paint("grey", padded(shorten(head, room), room)));
  const lines = rows.flatMap((row) => rowLines(row, kept));
  const shown = hasHeader ? [head.join(" ".repeat(GAP)), ...lines] : lines;
  return shown.map((line) => line.trimEnd()).join("\n");
}

/** A column of a table with its place in the rows and its width. */
interface LaidOut extends Column {
  readonly index: number;
  readonly least: number;
  readonly natural: number;
  readonly width: number;
}

function laidOut(column: Column, index: number, rows: readonly (readonly string[])[]): LaidOut {
  const natural = rows.reduce((most, row) => Math.max(most, width(row[index] ?? "")), width(column.head));
  const shrunk = column.wraps === true ? LEAST_WRAPPED : LEAST_CUT;
  return {
    ...column,
    index,
    natural,
    least: Math.min(natural, Math.max(shrunk, width(column.head))),
    width: natural,
  };
}

/** Omits columns until the rest fits at its least width, then shares the remaining room among the shrunk columns. */
function fitted(all: readonly LaidOut[], columns: number): LaidOut[] {
  let kept = [...all];
  while (totalOf(kept, ({ least }) => least) > columns) {
    const omitted = kept.reduce<LaidOut | undefined>((first, one) => {
      if (one.importance === undefined) return first;
      return first?.importance === undefined || one.importance < first.importance ? one : first;
    }, undefined);
    if (omitted === undefined) break;
    kept = kept.filter((one) => one !== omitted);
  }
  const widths = kept.map(({ least }) => least);
  let room = columns - totalOf(kept, ({ least }) => least);
  // A table that is too wide even now loses characters in its widest columns.
  for (; room < 0; room += 1) widths[widestOf(widths)] = Math.max(1, (widths[widestOf(widths)] ?? 1) - 1);
  for (; room > 0; room -= 1) {
    const narrowest = kept.reduce((found, { natural }, i) => {
      const isGrowing = (widths[i] ?? 0) < natural;
      return isGrowing && (found < 0 || (widths[i] ?? 0) < (widths[found] ?? 0)) ? i : found;
    }, -1);
    if (narrowest < 0) break;
    widths[narrowest] = (widths[narrowest] ?? 0) + 1;
  }
  return kept.map((one, i) => ({ ...one, width: widths[i] ?? one.least }));
}

function totalOf(all: readonly LaidOut[], of: (column: LaidOut) => number): number {
  return all.reduce((sum, column) => sum + of(column), GAP * Math.max(0, all.length - 1));
}

function widestOf(widths: readonly number[]): number {
  return widths.indexOf(Math.max(...widths));
}

function rowLines(row: readonly string[], kept: readonly LaidOut[]): string[] {
  const cells = kept.map(({ index, wraps, width: room }) => {
    const text = row[index] ?? "";
    return wraps === true ? wrapCell(text, room) : [shorten(text, room)];
  });
  const height = Math.max(1, ...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    kept.map(({ width: room }, i) => padded(cells[i]?.[line] ?? "", room)).join(" ".repeat(GAP)),
  );
}

function padded(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - width(text)));
}
