/**
 * A picture of dots in characters: each Braille character has two columns and four rows of dots.
 */

/** Bit of a dot in its character (U+2800 and up), by row and column. */
const BITS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const EMPTY = 0x2800;
export const DOTS_ACROSS = 2;
export const DOTS_DOWN = 4;

export class BrailleCanvas {
  readonly #columns: number;
  readonly #dots: Uint8Array;
  /** The series that last drew in each character; -1: none. */
  readonly #owners: Int16Array;

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#dots = new Uint8Array(columns * rows);
    this.#owners = new Int16Array(columns * rows).fill(-1);
  }

  /** Draws a straight line between two dots, which must be on the canvas. */
  line(owner: number, [x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): void {
    const steps = Math.max(Math.abs(x2 - x1), Math.abs(y2 - y1));
    for (let step = 0; step <= steps; step += 1) {
      const share = steps === 0 ? 0 : step / steps;
      this.#dot(owner, Math.round(x1 + (x2 - x1) * share), Math.round(y1 + (y2 - y1) * share));
    }
  }

  /** Returns a row of characters as pieces of text, each with the series that it belongs to. */
  row(row: number): { readonly owner: number; readonly text: string }[] {
    const pieces: { owner: number; text: string }[] = [];
    for (let at = row * this.#columns; at < (row + 1) * this.#columns; at += 1) {
      const owner = this.#owners[at] ?? -1;
      const dots = this.#dots[at] ?? 0;
      const character = dots === 0 ? " " : String.fromCodePoint(EMPTY + dots);
      const last = pieces.at(-1);
      if (last?.owner === owner) last.text += character;
      else pieces.push({ owner, text: character });
    }
    return pieces;
  }

  #dot(owner: number, x: number, y: number): void {
    const at = Math.floor(y / DOTS_DOWN) * this.#columns + Math.floor(x / DOTS_ACROSS);
    this.#dots[at] = (this.#dots[at] ?? 0) | (BITS[y % DOTS_DOWN]?.[x % DOTS_ACROSS] ?? 0);
    this.#owners[at] = owner;
  }
}
