/**
 * What a guest prints: once for the reply of the exec, once for the VM's log, each with a bound of its own.
 *
 * Text that is over a bound is not even decoded, so a guest that prints megabytes in a loop costs what it is allowed.
 */
import { MAX_LOG_LINE_CHARS, MAX_LOG_LINES_PER_SECOND, MAX_STDOUT_BYTES } from "./limits.ts";

export const CUT_OFF = "… (cut off)";
/** Bytes of UTF-8 a character has at most. */
const MAX_CHARACTER_BYTES = 4;

/** Output of one call. */
export class CallOutput {
  readonly #log: LogLines;
  readonly #decoder = new TextDecoder();
  readonly #pieces: string[] = [];
  #bytesLeft = MAX_STDOUT_BYTES;

  constructor(log: LogLines) {
    this.#log = log;
  }

  readonly write = (text: Uint8Array): void => {
    if (this.#log.wants()) {
      const start = this.#decoder.decode(text.subarray(0, MAX_LOG_LINE_CHARS * MAX_CHARACTER_BYTES));
      this.#log.add(start);
    }
    if (this.#bytesLeft < 0) return;
    const kept = text.subarray(0, this.#bytesLeft);
    this.#bytesLeft -= text.length + 1;
    this.#pieces.push(this.#decoder.decode(kept), this.#bytesLeft < 0 ? CUT_OFF : "\n");
  };

  text(): string {
    return this.#pieces.join("");
  }
}

/** A VM's log: so many lines a second, and the number of those left out. */
export class LogLines {
  readonly #now: () => number;
  #lines: string[] = [];
  #leftOut = 0;
  #tokens = MAX_LOG_LINES_PER_SECOND;
  #refilledMs: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#refilledMs = now();
  }

  /** Whether there is room for a line; counts it as left out when not. */
  wants(): boolean {
    const nowMs = this.#now();
    const due = ((nowMs - this.#refilledMs) / 1000) * MAX_LOG_LINES_PER_SECOND;
    this.#tokens = Math.min(MAX_LOG_LINES_PER_SECOND, this.#tokens + due);
    this.#refilledMs = nowMs;
    if (this.#tokens >= 1) return true;
    this.#leftOut += 1;
    return false;
  }

  add(text: string): void {
    for (const line of text.split("\n")) {
      if (!(this.#tokens >= 1)) {
        this.#leftOut += 1;
        continue;
      }
      this.#tokens -= 1;
      this.#lines.push(line.length > MAX_LOG_LINE_CHARS ? line.slice(0, MAX_LOG_LINE_CHARS) + CUT_OFF : line);
    }
  }

  /**
   * Takes what is there to be published, or undefined. Only lines left out are no reason, unless it is the `last` look:
   * a flood would become a flood of such notes.
   */
  take(last: boolean): { readonly lines: readonly string[]; readonly leftOut: number } | undefined {
    if (this.#lines.length === 0 && !(last && this.#leftOut > 0)) return undefined;
    const taken = { lines: this.#lines, leftOut: this.#leftOut };
    this.#lines = [];
    this.#leftOut = 0;
    return taken;
  }
}
