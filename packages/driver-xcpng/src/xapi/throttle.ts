/**
 * Limits the load on a pool. The master answers every call from one process and one database; a client that floods it
 * slows down all clients, XenCenter and Xen Orchestra included. A call therefore waits for a free slot (calls in
 * flight) and for units of a token bucket (load per second; heavy calls cost more).
 */
export interface ThrottleLimits {
  /** Maximum number of calls in flight at once. XAPI accepts more, but further calls would only queue at the server. */
  readonly maxInFlight: number;
  /**
   * Load that calls may cause per second, units; also the largest burst. A read costs 1 unit, a write 2, an operation
   * on a domain or disk 4.
   */
  readonly unitsPerSecond: number;
}

export const DEFAULT_LIMITS: ThrottleLimits = { maxInFlight: 16, unitsPerSecond: 400 };

interface Waiting {
  readonly weight: number;
  readonly go: () => void;
  readonly fail: (reason: unknown) => void;
}

export class Throttle {
  readonly #limits: ThrottleLimits;
  readonly #now: () => number;
  readonly #queue: Waiting[] = [];
  #inFlight = 0;
  #units: number;
  #filledAtMs: number;
  #timer: NodeJS.Timeout | undefined;
  #closedBy: unknown;

  /** `now` returns the time of a monotonic clock, ms. */
  constructor(limits: ThrottleLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#units = limits.unitsPerSecond;
    this.#filledAtMs = now();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Runs `work` and resolves with its result. `work` starts once a slot and `weight` units are free and every earlier
   * call has started. Rejects with the reason of `close` once the throttle is closed.
   */
  async run<T>(weight: number, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((go, fail) => {
      if (this.#closedBy !== undefined) return fail(this.#closedBy);
      this.#queue.push({ weight: Math.min(weight, this.#limits.unitsPerSecond), go, fail });
      this.#admit();
    });
    try {
      return await work();
    } finally {
      this.#inFlight -= 1;
      this.#admit();
    }
  }

  /** Counts the load of a call that does not wait for a slot: later calls wait the longer. */
  count(weight: number): void {
    this.#fill();
    this.#units -= weight;
  }

  /** Rejects every waiting and future call with `reason`. Calls in flight continue. */
  close(reason: unknown): void {
    this.#closedBy = reason;
    clearTimeout(this.#timer);
    for (const waiting of this.#queue.splice(0)) waiting.fail(reason);
  }

  #admit(): void {
    for (;;) {
      const [next] = this.#queue;
      if (next === undefined || this.#inFlight >= this.#limits.maxInFlight) return;
      this.#fill();
      if (this.#units < next.weight) {
        this.#later(next.weight - this.#units);
        return;
      }
      this.#units -= next.weight;
      this.#inFlight += 1;
      this.#queue.shift();
      next.go();
    }
  }

  #fill(): void {
    const nowMs = this.#now();
    const { unitsPerSecond } = this.#limits;
    const gained = ((nowMs - this.#filledAtMs) / 1000) * unitsPerSecond;
    this.#units = Math.min(unitsPerSecond, this.#units + Math.max(0, gained));
    this.#filledAtMs = nowMs;
  }

  #later(missing: number): void {
    clearTimeout(this.#timer);
    const waitMs = Math.ceil((missing / this.#limits.unitsPerSecond) * 1000);
    this.#timer = setTimeout(() => this.#admit(), waitMs);
  }
}
