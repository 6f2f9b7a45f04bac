/**
 * A clock that a test advances, with the timers that depend on it.
 */
import type { Clock, IdSource, Timers } from "@bioxen/kernel";

interface Timer {
  dueAtMs: number;
  readonly callback: () => void;
  readonly everyMs: number | undefined;
}

export class FakeClock implements Clock, Timers {
  #nowMs: number;
  readonly #timers = new Set<Timer>();

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): { cancel(): void } {
    return this.#add({ dueAtMs: this.#nowMs + Math.max(0, delayMs), callback, everyMs: undefined });
  }

  every(intervalMs: number, callback: () => void): { cancel(): void } {
    return this.#add({ dueAtMs: this.#nowMs + intervalMs, callback, everyMs: intervalMs });
  }

  #add(timer: Timer): { cancel(): void } {
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /**
   * Advances the time by `elapsedMs`. Timers fire in order; the promises of each timer settle before the next one
   * fires.
   */
  async advance(elapsedMs: number): Promise<void> {
    const untilMs = this.#nowMs + elapsedMs;
    for (;;) {
      await settle();
      const due = [...this.#timers]
        .filter((t) => t.dueAtMs <= untilMs)
        .sort((a, b) => a.dueAtMs - b.dueAtMs)[0];
      if (due === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, due.dueAtMs);
      if (due.everyMs === undefined) this.#timers.delete(due);
      else due.dueAtMs += due.everyMs;
      due.callback();
    }
    this.#nowMs = untilMs;
    await settle();
  }
}

/** Resolves once all pending promise chains have run, except those that wait for a timer or for I/O. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A source of the ids `id-0001`, `id-0002`, …. */
export function idsInOrder(prefix = "id"): IdSource {
  let count = 0;
  return {
    next: () => {
      count += 1;
      return `${prefix}-${String(count).padStart(4, "0")}`;
    },
  };
}
