/**
 * Measures how long this process has observed each reservation, by its monotonic clock.
 *
 * A reservation names the instant until which its VM may take it, by the wall clock. A wall clock can be set, and
 * differs between machines. So a reservation expires only once this process has also observed it for a full period on
 * its monotonic clock. A restarted process counts its own start as the first observation of every reservation that it
 * finds.
 */
export class MonotonicReservationTimer {
  readonly #monotonicMs: () => number;
  readonly #periodMs: number;
  readonly #startedMs: number;
  /** By fence, the instant at which the reservation was first observed, ms of the monotonic clock; earliest first. */
  readonly #observedMs = new Map<number, number>();

  /** `monotonicMs` reads the monotonic clock. `periodMs` is the time for which each reservation must be observed. */
  constructor(monotonicMs: () => number, periodMs: number) {
    this.#monotonicMs = monotonicMs;
    this.#periodMs = periodMs;
    this.#startedMs = monotonicMs();
  }

  /** Starts the timer of the reservation with this fence, and forgets the timers that have run out. */
  observe(fence: number): void {
    const nowMs = this.#monotonicMs();
    for (const [old, sinceMs] of this.#observedMs) {
      if (sinceMs + this.#periodMs > nowMs) break;
      this.#observedMs.delete(old);
    }
    this.#observedMs.set(fence, nowMs);
  }

  /** Returns how long the reservation must still be observed, ms; 0 once it was observed for the whole period. */
  remainingMs(fence: number): number {
    const sinceMs = this.#observedMs.get(fence) ?? this.#startedMs;
    return Math.max(0, Math.ceil(sinceMs + this.#periodMs - this.#monotonicMs()));
  }
}
