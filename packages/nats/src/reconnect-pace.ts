/**
 * Sets the wait before the client of NATS dials again after a lost connection. The wait is short at first, and doubles
 * each time the server refuses the login.
 */

/** Wait between two tries to connect, ms: a restarted server is found within half a second. */
const RECONNECT_WAIT_MS = 250;
/** Longest wait between two tries while the login is refused, ms: new credentials are used within this time. */
const LONGEST_WAIT_MS = 5_000;

export class ReconnectPace {
  #lastDialMs = Number.NEGATIVE_INFINITY;
  #waitMs = RECONNECT_WAIT_MS;

  /** Notes a refused login: the next wait is twice as long. */
  refused(): void {
    this.#waitMs = Math.min(LONGEST_WAIT_MS, 2 * this.#waitMs);
  }

  connected(): void {
    this.#waitMs = RECONNECT_WAIT_MS;
  }

  /**
   * The client's reconnect delay handler. The client's own handler compares times of the wall clock: after the clock
   * was set back, the client would not dial until the clock has caught up. This handler uses the monotonic clock. Its
   * large negative result tells the client that the wait is over.
   */
  readonly delay = (): number => {
    const nowMs = performance.now();
    if (nowMs - this.#lastDialMs < this.#waitMs) return this.#waitMs;
    this.#lastDialMs = nowMs;
    return -Number.MAX_SAFE_INTEGER;
  };
}
