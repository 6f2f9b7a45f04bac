/** Waits of calls for something to come true of a VM, each with a limit of time. */
import type { Timers } from "@bioxen/kernel";

export class VmWaits {
  readonly #timers: Timers;
  /** By VM id: the functions that look whether a wait is over. */
  readonly #looks = new Map<string, Set<() => void>>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Looks at the waits of the VM. Call it after each change of what they wait for. */
  wake(vmId: string): void {
    for (const look of [...(this.#looks.get(vmId) ?? [])]) look();
  }

  /** Resolves with true once `isTrue` returns true, now or at a {@link wake} of the VM; with false after `withinMs`. */
  async until(vmId: string, isTrue: () => boolean, withinMs: number): Promise<boolean> {
    if (isTrue()) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = (): void => {
      if (isTrue()) resolve(true);
    };
    const looks = this.#looks.get(vmId) ?? new Set();
    this.#looks.set(vmId, looks.add(look));
    const timer = this.#timers.after(withinMs, () => resolve(false));
    const came = await promise;
    timer.cancel();
    looks.delete(look);
    if (looks.size === 0) this.#looks.delete(vmId);
    return came;
  }
}
