/** The latest lines that the cell's program printed, with consecutive numbers. */
import { MAX_KEPT_LINES, MAX_LOG_REPLY_CHARS } from "./limits.ts";

export interface LogLine {
  /** Number of the line since the start of the agent, from 1. */
  readonly seq: number;
  readonly line: string;
}

export class LogLines {
  readonly #lines: LogLine[] = [];
  #last = 0;

  /** Number of the last line; 0 without one. */
  get last(): number {
    return this.#last;
  }

  add(line: string): void {
    this.#last += 1;
    this.#lines.push({ seq: this.#last, line });
    if (this.#lines.length > MAX_KEPT_LINES) this.#lines.shift();
  }

  /**
   * Returns the kept lines with a number above `after`, as many as fit into one reply, and the `after` of the next
   * call. An `after` beyond the last line is from before a restart of the agent, and counts as 0.
   */
  after(after: number): { readonly lines: readonly LogLine[]; readonly next: number } {
    const from = after > this.#last ? 0 : after;
    const lines: LogLine[] = [];
    let chars = 0;
    for (const entry of this.#lines) {
      if (entry.seq <= from) continue;
      chars += entry.line.length;
      if (chars > MAX_LOG_REPLY_CHARS) break;
      lines.push(entry);
    }
    return { lines, next: lines.at(-1)?.seq ?? from };
  }
}
