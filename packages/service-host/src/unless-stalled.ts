/**
 * Ends a wait after a time without progress. This suits a wait whose total length is unknown, such as reading a log.
 */
import { Fault, type Timers } from "@bioxen/kernel";

export interface ProgressOptions {
  /** Returns a number that grows while the work proceeds. */
  readonly progress: () => number;
  /** Longest time without progress, ms. */
  readonly limitMs: number;
  /** Returns the name of the stalled work and its present progress, for the error text. */
  readonly what: () => string;
  readonly timers: Timers;
}

/**
 * Waits for `work`. Throws `Fault` TIMEOUT (retryable) when `work` makes no progress. The error comes between `limitMs`
 * and twice `limitMs` after the last progress.
 */
export async function unlessStalled<T>(work: Promise<T>, options: ProgressOptions): Promise<T> {
  const { progress, limitMs, what, timers } = options;
  let last = progress();
  let watch: { cancel(): void } | undefined;
  const stalled = new Promise<never>((_resolve, reject) => {
    watch = timers.every(limitMs, () => {
      const now = progress();
      if (now === last) {
        reject(new Fault("TIMEOUT", `${what()} for ${limitMs} ms`, { retryable: true }));
      }
      last = now;
    });
  });
  try {
    return await Promise.race([work, stalled]);
  } finally {
    watch?.cancel();
  }
}
