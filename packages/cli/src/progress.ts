/**
 * Progress of a long command: one line on stderr that is redrawn. It is shown only on a terminal, so that a pipe gets
 * nothing but diagnostics.
 */
import { screenColumns, shorten } from "./screen.ts";

/** Shortest time between two redraws, ms. */
const REDRAW_MS = 100;

export class Progress {
  readonly #words: (done: number) => string;
  readonly #shown: boolean = process.stderr.isTTY === true;
  #drawnAtMs = 0;

  constructor(words: (done: number) => string) {
    this.#words = words;
  }

  /** Redraws the line for progress `done`, at most once every 100 ms. */
  seen(done: number): void {
    if (!this.#shown || Date.now() - this.#drawnAtMs < REDRAW_MS) return;
    this.#drawnAtMs = Date.now();
    const columns = screenColumns(process.stderr) ?? Number.POSITIVE_INFINITY;
    process.stderr.write(`\r\u001b[K${shorten(this.#words(done), columns - 1)}`);
  }

  /** Erases the progress line from the terminal. */
  end(): void {
    if (this.#drawnAtMs > 0) process.stderr.write("\r\u001b[K");
  }
}
