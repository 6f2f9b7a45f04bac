/**
 * How long reservations have stood, by a clock that nobody sets.
 *
 * A reservation says until when its VM may take it, by the wall clock, which may be set, or be another on another machine. Nobody is
 * to lose it to that: it expires only when this process has watched it for its whole time as well. A process that was started has
 * watched nothing that was there before, and counts from its own beginning.
 */
export class MonotonicReservationTimer {
  readonly #monotonicMs: () => number;
  readonly #timeMs: number;
  readonly #beganMs: number;
  /** Since when, by fence, in the order they came. */
  readonly #since = new Map<number, number>();

  /** `timeMs`: what each may stand; `monotonicMs`: a clock that only goes on. */
  constructor(monotonicMs: () => number, timeMs: number) {
    this.#monotonicMs = monotonicMs;
    this.#timeMs = timeMs;
    this.#beganMs = monotonicMs();
  }

  /** The reservation with this fence is there from now on. */
  observe(fence: number): void {
    const nowMs = this.#monotonicMs();
    for (const [old, sinceMs] of this.#since) {
      if (sinceMs + this.#timeMs > nowMs) break;
      this.#since.delete(old);
    }
    this.#since.set(fence, nowMs);
  }

  /** What is left of its time, ms; 0: it has stood it. */
  remainingMs(fence: number): number {
    const sinceMs = this.#since.get(fence) ?? this.#beganMs;
    return Math.max(0, Math.ceil(sinceMs + this.#timeMs - this.#monotonicMs()));
  }
}
