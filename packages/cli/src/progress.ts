/**
 * How far a long command is: one line on stderr, redrawn on a terminal. In a pipe there is none, so that diagnostics stay clean.
 */

/** Between two redraws, ms. */
const REDRAW_MS = 100;

export class Progress {
  readonly #words: (done: number) => string;
  readonly #shown: boolean = process.stderr.isTTY === true;
  #drawnAtMs = 0;

  constructor(words: (done: number) => string) {
    this.#words = words;
  }

  seen(done: number): void {
    if (!this.#shown || Date.now() - this.#drawnAtMs < REDRAW_MS) return;
    this.#drawnAtMs = Date.now();
    process.stderr.write(`\r\u001b[K${this.#words(done)}`);
  }

  /** The line goes; what follows stands in its place. */
  end(): void {
    if (this.#drawnAtMs > 0) process.stderr.write("\r\u001b[K");
  }
}
