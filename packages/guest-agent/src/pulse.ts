/**
 * Measures how much time the cell has lived between two steps, by a monotonic clock.
 *
 * The wall clock of a machine jumps when the machine is resumed or moved, and when it is set. The monotonic clock of
 * Linux stands still during a suspension, but not on every hypervisor and not during a pause. A gap above
 * {@link MAX_GAP_MS} therefore counts as no time.
 */
import { MAX_GAP_MS } from "./limits.ts";

export class Pulse {
  readonly #now: () => number;
  #last: number;

  /** `now` is a monotonic clock, ms. */
  constructor(now: () => number) {
    this.#now = now;
    this.#last = now();
  }

  /** Returns the time since the last call, ms; 0 if the machine stood still or the clock went backwards. */
  elapsedMs(): number {
    const now = this.#now();
    const gap = now - this.#last;
    this.#last = now;
    return gap >= 0 && gap <= MAX_GAP_MS ? gap : 0;
  }
}
