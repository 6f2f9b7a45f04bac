/**
 * The output that a guest prints. It goes to the reply of the exec and to the VM's log, each with its own limit.
 *
 * Text beyond a limit is not decoded, so the cost of a guest that prints megabytes in a loop is bounded.
 */
import { MAX_LOG_LINE_CHARS, MAX_LOG_LINES_PER_SECOND, MAX_STDOUT_BYTES } from "./limits.ts";

export const CUT_OFF = "… (cut off)";
/** Maximum number of UTF-8 bytes in one character. */
const MAX_CHARACTER_BYTES = 4;

/** Collects the output of one call, for its reply and for the VM's log. */
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

/**
 * Collects the log lines of a VM until they are published. The number of lines per second is limited, and omitted lines
 * are counted.
 */
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

  /** Returns true if the limit allows another log line; otherwise counts the line as omitted and returns false. */
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
   * Removes and returns the collected lines and the number of omitted lines; undefined if there is nothing to publish.
   * If no line was collected, the number of omitted lines is returned only if `last` is true. A flood of output would
   * otherwise cause a flood of messages that contain only such a number.
   */
  take(last: boolean): { readonly lines: readonly string[]; readonly leftOut: number } | undefined {
    if (this.#lines.length === 0 && !(last && this.#leftOut > 0)) return undefined;
    const taken = { lines: this.#lines, leftOut: this.#leftOut };
    this.#lines = [];
    this.#leftOut = 0;
    return taken;
  }
}
