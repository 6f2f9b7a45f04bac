/**
 * Fits text to the width of the terminal, so that the terminal itself never wraps a line.
 *
 * On a terminal, longer lines are wrapped between words, and continued under the text of their first line. A single
 * word that is longer than a line, such as an id of 63 characters, is cut with an ellipsis. Output to a file or a pipe
 * is never changed: another program may read it.
 */
import { stripVTControlCharacters } from "node:util";
import stringWidth from "fast-string-width";
import { wrapAnsi } from "fast-wrap-ansi";

/** Narrowest terminal that is taken into account, in columns. On a narrower one, the terminal wraps the lines. */
const MIN_COLUMNS = 20;
/** Additional indent of continued lines, in columns. */
const HANGING_INDENT = 2;

/** Returns the number of columns of the terminal that the stream writes to; undefined for a file or a pipe. */
export function screenColumns(stream: NodeJS.WriteStream = process.stdout): number | undefined {
  if (stream.isTTY !== true || !(stream.columns > 0)) return undefined;
  return Math.max(MIN_COLUMNS, stream.columns);
}

/** Returns the number of columns that the text takes on a terminal. Colours take none. */
export function width(text: string): number {
  return stringWidth(text);
}

/**
 * Returns the text in at most `columns` columns, cut with an ellipsis. A sentence is cut at its end. A single word is
 * cut in its middle, because ids often differ only in their last characters. One colour of the whole text is kept.
 */
export function shorten(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  const plain = stripVTControlCharacters(text);
  const cut = plain.trim().includes(" ") ? cutEnd(plain, columns) : cutMiddle(plain, columns);
  const at = text.indexOf(plain);
  return at > 0 ? text.slice(0, at) + cut + text.slice(at + plain.length) : cut;
}

function cutEnd(text: string, columns: number): string {
  return `${startOf(text, columns - 1).trimEnd()}…`;
}

function cutMiddle(text: string, columns: number): string {
  const tail = Math.floor((columns - 1) / 2);
  const reversed = [...text].reverse().join("");
  const end = [...startOf(reversed, tail)].reverse().join("");
  return `${startOf(text, columns - 1 - tail)}…${end}`;
}

/** Returns the longest start of the text that takes at most `columns` columns. */
function startOf(text: string, columns: number): string {
  let start = "";
  let taken = 0;
  for (const character of text) {
    taken += width(character);
    if (taken > columns) break;
    start += character;
  }
  return start;
}

/** Returns the text in lines of at most `columns` columns; the text itself when `columns` is undefined. */
export function wrapText(text: string, columns: number | undefined): string {
  if (columns === undefined) return text;
  return text
    .split("\n")
    .map((line) => wrapLine(line, columns))
    .join("\n");
}

function wrapLine(line: string, columns: number): string {
  if (width(line) <= columns) return line;
  const label = labelOf(line, columns);
  const isLabelled = label.trim() !== "";
  const indent = isLabelled ? width(label) : label.length + HANGING_INDENT;
  const body = wrapCell(line.slice(label.length), columns - indent);
  return label + body.join(`\n${" ".repeat(indent)}`);
}

/**
 * Returns the start of the line that its continued lines leave free: the indent, with the label if the line has one,
 * such as `  doubling    `. At least two spaces end a label. A label of more than half of the line does not count.
 */
function labelOf(line: string, columns: number): string {
  const indent = /^ */.exec(line)?.[0] ?? "";
  const label = /^ *\S+(?: \S+)* {2,}/.exec(line)?.[0] ?? "";
  return label !== "" && width(label) <= columns / 2 ? label : indent;
}

/** Returns the text as lines of at most `columns` columns. Longer words are cut. */
export function wrapCell(text: string, columns: number): string[] {
  if (width(text) <= columns) return [text];
  const words = text.split(" ").map((word) => shorten(word, columns));
  return wrapAnsi(words.join(" "), columns, { trim: true }).split("\n");
}

/** Returns the number of rows that the text takes on a terminal with `columns` columns. */
export function rowsOnScreen(text: string, columns: number): number {
  return text.split("\n").reduce((rows, line) => rows + Math.max(1, Math.ceil(width(line) / columns)), 0);
}
