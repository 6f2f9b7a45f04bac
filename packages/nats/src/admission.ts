/**
 * Decides which requests a service works on, which wait, and which are refused at once. No NATS, no timers, no clock.
 *
 * A lane admits the requests of one kind. A lane is like an office with a few clerks and a waiting room: every caller
 * has its own queue in the waiting room, and the clerks serve the queues in turn. A caller that sends a flood fills
 * only its own queue; the next request of a quiet caller is served next. A caller that is alone has all clerks and the
 * whole room.
 *
 * A full room never shuts out a caller that has less than its share of the room. The caller that takes most of the room
 * loses its newest request instead: that request is refused. A few clerks are reserved for callers without a request
 * under way, because a clerk may be occupied for seconds, and a started request is never taken back.
 *
 * A lane has no priorities, and knows no cost of a request except its size.
 */

export interface LaneLimits {
  /** Maximum number of requests under way at once. */
  readonly underWay: number;
  /** Number of additional requests under way, only for callers that have no other request under way. */
  readonly reserved: number;
  /** Maximum cost of all waiting requests together; see {@link costOf}. */
  readonly waiting: number;
  /** Longest time that a request waits, ms. It is shorter than the time after which callers give up. */
  readonly waitMs: number;
}

/**
 * - `full`: the waiting room is full, and the caller has at most its share of the room.
 * - `share`: the caller takes more than its share of the room while other callers wait.
 * - `late`: the request waited too long.
 * - `stopping`: the service stops.
 */
export type RefusalReason = "full" | "share" | "late" | "stopping";

export interface AdmissionRefusal {
  readonly reason: RefusalReason;
  readonly retryAfterMs: number;
}

/** The functions that start or refuse a request that has entered the lane. Neither function may throw. */
export interface AdmissionEffects<T> {
  /** Begins the work. When the work is over, `ended` must be called with the same caller. */
  readonly start: (request: T, caller: string) => void;
  readonly refuse: (request: T, refusal: AdmissionRefusal) => void;
}

/** Largest size of a request with a cost of 1, bytes: nearly every command is smaller. */
const BYTES_PER_UNIT = 4_096;
/** The values of `retryAfterMs`. They are few, so that a refusal can be serialised in advance. */
export const RETRY_STEPS_MS = [100, 200, 400, 800, 1_600] as const;
/** Interval over which the rate of ended requests is measured, ms. */
const RATE_INTERVAL_MS = 500;

/** Returns the cost of a waiting request: 1 for up to 4 KiB, and 1 more for each further 4 KiB or part of it. */
export function costOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / BYTES_PER_UNIT));
}

interface Waiting<T> {
  readonly request: T;
  readonly cost: number;
  readonly sinceMs: number;
}

interface Caller<T> {
  readonly name: string;
  underWay: number;
  /** Waiting requests, the oldest first. */
  readonly queue: Waiting<T>[];
  cost: number;
}

export class Admission<T> {
  readonly #limits: LaneLimits;
  readonly #effects: AdmissionEffects<T>;
  readonly #nowMs: () => number;
  /** The callers that have a request under way or waiting. */
  readonly #callers = new Map<string, Caller<T>>();
  /** The callers with waiting requests, in the order of their turns. */
  readonly #turns = new Set<Caller<T>>();
  /** The callers with waiting requests and none under way. */
  readonly #unserved = new Set<Caller<T>>();
  /** The callers with waiting requests, by the total cost of these requests. */
  readonly #byCost = new Map<number, Set<Caller<T>>>();
  #largestCost = 0;
  #underWay = 0;
  #waiting = 0;
  #cost = 0;
  #endedInInterval = 0;
  #intervalBeganMs: number;
  #endedPerMs = 0;
  #stopping = false;
  #isHeld = false;

  constructor(limits: LaneLimits, effects: AdmissionEffects<T>, nowMs: () => number) {
    this.#limits = limits;
    this.#effects = effects;
    this.#nowMs = nowMs;
    this.#intervalBeganMs = nowMs();
  }

  get underWay(): number {
    return this.#underWay;
  }
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Returns the reason why the lane refuses a request of this cost; undefined when {@link enter} may be called at once.
   * Constant time, without allocation for a refused request.
   */
  refusalOf(caller: string, cost: number): RefusalReason | undefined {
    if (this.#stopping) return "stopping";
    if (this.#cost + cost <= this.#limits.waiting) return undefined;
    const known = this.#callers.get(caller);
    if (this.#mayStart(known?.underWay ?? 0)) return undefined;
    const own = known?.cost ?? 0;
    const others = this.#turns.size - (own > 0 ? 1 : 0);
    if (others === 0) return "full";
    const share = this.#shareOf(others + 1);
    if (own + cost > share) return own === 0 ? "full" : "share";
    return this.#largestCost > share ? undefined : "full";
  }

  /** Starts a request, or lets it wait. Call it only after {@link refusalOf} has returned undefined. */
  enter(name: string, request: T, cost: number): void {
    let caller = this.#callers.get(name);
    if (caller === undefined) {
      caller = { name, underWay: 0, queue: [], cost: 0 };
      this.#callers.set(name, caller);
    }
    if (caller.queue.length === 0 && this.#mayStart(caller.underWay)) {
      this.#start(caller, request);
      return;
    }
    this.#addCost(caller, cost);
    caller.queue.push({ request, cost, sinceMs: this.#nowMs() });
    this.#waiting += 1;
    this.#turns.add(caller);
    if (caller.underWay === 0) this.#unserved.add(caller);
    while (this.#cost > this.#limits.waiting) this.#pushOut();
  }

  /** Starts no request until {@link release}: requests wait as they do while the lane is full. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#startNext();
  }

  /** Reports that a started request of this caller is over, and starts waiting requests as far as the limits allow. */
  ended(name: string): void {
    const caller = this.#callers.get(name);
    if (caller === undefined || caller.underWay === 0) throw new Error(`${name} has no request under way`);
    caller.underWay -= 1;
    this.#underWay -= 1;
    this.#endedInInterval += 1;
    this.#measureRate();
    if (caller.underWay === 0 && caller.queue.length > 0) this.#unserved.add(caller);
    this.#forgetIdle(caller);
    this.#startNext();
  }

  /** Refuses the requests that have waited too long. Call it a few times a second while requests wait. */
  expire(): void {
    const oldestMs = this.#nowMs() - this.#limits.waitMs;
    for (const caller of [...this.#turns]) {
      while ((caller.queue[0]?.sinceMs ?? Number.POSITIVE_INFINITY) <= oldestMs) {
        const request = this.#take(caller, "oldest");
        this.#effects.refuse(request, { reason: "late", retryAfterMs: this.retryAfterMs() });
      }
      this.#forgetIdle(caller);
    }
  }

  /** Refuses every waiting request, and all further ones. */
  stop(): void {
    this.#stopping = true;
    for (const caller of [...this.#turns]) {
      while (caller.queue.length > 0) {
        const request = this.#take(caller, "oldest");
        this.#effects.refuse(request, { reason: "stopping", retryAfterMs: RETRY_STEPS_MS[0] });
      }
      this.#forgetIdle(caller);
    }
  }

  /** Returns the time after which a refused caller should retry, ms: about the time to serve all waiting requests. */
  retryAfterMs(): number {
    this.#measureRate();
    const expectedMs = this.#waiting / Math.max(this.#endedPerMs, Number.MIN_VALUE);
    return RETRY_STEPS_MS.find((step) => step >= expectedMs) ?? (RETRY_STEPS_MS.at(-1) as number);
  }

  #measureRate(): void {
    const elapsedMs = this.#nowMs() - this.#intervalBeganMs;
    if (elapsedMs < RATE_INTERVAL_MS) return;
    this.#endedPerMs = this.#endedInInterval / elapsedMs;
    this.#endedInInterval = 0;
    this.#intervalBeganMs += elapsedMs;
  }

  /** Returns one caller's share of the waiting room, as a cost, when `callers` callers divide the room equally. */
  #shareOf(callers: number): number {
    return Math.max(1, Math.floor(this.#limits.waiting / callers));
  }

  #mayStart(underWayOfCaller: number): boolean {
    const { underWay, reserved } = this.#limits;
    if (this.#isHeld) return false;
    if (this.#underWay < underWay) return true;
    return underWayOfCaller === 0 && this.#underWay < underWay + reserved;
  }

  #start(caller: Caller<T>, request: T): void {
    caller.underWay += 1;
    this.#underWay += 1;
    this.#unserved.delete(caller);
    this.#effects.start(request, caller.name);
  }

  #startNext(): void {
    while (!this.#isHeld) {
      const isReserved = this.#underWay >= this.#limits.underWay;
      if (isReserved && !this.#mayStart(0)) return;
      const [caller] = isReserved ? this.#unserved : this.#turns;
      if (caller === undefined) return;
      this.#start(caller, this.#take(caller, "oldest"));
    }
  }

  /** Refuses the newest request of the caller whose waiting requests have the highest total cost. */
  #pushOut(): void {
    const [caller] = this.#byCost.get(this.#largestCost) ?? [];
    if (caller === undefined) return;
    const request = this.#take(caller, "newest");
    this.#forgetIdle(caller);
    this.#effects.refuse(request, { reason: "share", retryAfterMs: this.retryAfterMs() });
  }

  /**
   * Removes the oldest or the newest request from a caller's queue, and returns it. After the removal of the oldest
   * request, the caller's next turn comes after the turns of all other callers.
   */
  #take(caller: Caller<T>, which: "oldest" | "newest"): T {
    const taken = which === "oldest" ? caller.queue.shift() : caller.queue.pop();
    if (taken === undefined) throw new Error(`${caller.name} has no waiting request`);
    this.#addCost(caller, -taken.cost);
    this.#waiting -= 1;
    if (which === "oldest" || caller.queue.length === 0) this.#turns.delete(caller);
    if (caller.queue.length === 0) this.#unserved.delete(caller);
    else this.#turns.add(caller);
    return taken.request;
  }

  #addCost(caller: Caller<T>, cost: number): void {
    const before = this.#byCost.get(caller.cost);
    before?.delete(caller);
    if (before?.size === 0) this.#byCost.delete(caller.cost);
    caller.cost += cost;
    this.#cost += cost;
    if (caller.cost > 0) {
      const after = this.#byCost.get(caller.cost) ?? new Set();
      this.#byCost.set(caller.cost, after.add(caller));
    }
    this.#largestCost = Math.max(this.#largestCost, caller.cost);
    while (this.#largestCost > 0 && !this.#byCost.has(this.#largestCost)) this.#largestCost -= 1;
  }

  #forgetIdle(caller: Caller<T>): void {
    if (caller.underWay === 0 && caller.queue.length === 0) this.#callers.delete(caller.name);
  }
}
