/**
 * How hard a pool is asked. Its master answers every call from one process and one database, and slows down for everybody,
 * XenCenter and Xen Orchestra included, when one client floods it. So calls wait in line, for a place (how many at
 * once) and for units (how much per second, heavy calls more).
 */
export interface ThrottleLimits {
  /** Calls under way at once. XAPI serves more, but beyond this they only wait there instead of here. */
  readonly maxInFlight: number;
  /** Units per second, and as many at once after a rest. A read is 1, a write 2, a domain or disk 4. */
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

  /** `now`: monotone milliseconds. */
  constructor(limits: ThrottleLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#units = limits.unitsPerSecond;
    this.#filledAtMs = now();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Runs `work` when its turn has come; first come, first served. Rejects with the reason of `close`. */
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

  /** Nobody else gets a turn. */
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
