/** Waits for guests whose starts are under way, so that a call right after the start of an agent finds its guest. */
import type { Timers } from "@bioxen/kernel";

/** Longest wait for a guest that the log has and that this agent is about to start, ms. */
export const BEGIN_WITHIN_MS = 2_000;

export class BegunGuests {
  readonly #timers: Timers;
  /** By VM id, those who wait for its guest. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Wakes those who wait for the VM's guest. */
  began(vmId: string): void {
    for (const wake of this.#waiting.get(vmId) ?? []) wake();
  }

  /** Resolves with whether `isThere` holds, at the latest {@link BEGIN_WITHIN_MS} after the call. */
  async waitFor(vmId: string, isThere: () => boolean): Promise<boolean> {
    if (isThere()) return true;
    const late = Promise.withResolvers<void>();
    let isLate = false;
    const timer = this.#timers.after(BEGIN_WITHIN_MS, () => {
      isLate = true;
      late.resolve();
    });
    while (!isThere() && !isLate) {
      const next = Promise.withResolvers<void>();
      const waiting = this.#waiting.get(vmId) ?? new Set();
      this.#waiting.set(vmId, waiting.add(next.resolve));
      await Promise.race([next.promise, late.promise]);
      waiting.delete(next.resolve);
      if (waiting.size === 0) this.#waiting.delete(vmId);
    }
    timer.cancel();
    return isThere();
  }
}
