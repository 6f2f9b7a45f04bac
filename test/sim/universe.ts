/**
 * One seeded thread of time: a virtual clock, a queue of what is to happen, and every random choice of a run.
 *
 * All asynchrony of a simulated cluster goes through here, so a seed is a whole history. Between two happenings the promises they
 * caused settle, in the order the language defines.
 */
/** What one run may have happen; 200 sound ones had 9 000 to 20 000. More is a cluster that is busy with itself for ever. */
export const MAX_HAPPENINGS = 500_000;

/** A turn of the event loop costs more than most happenings; who waits for one gets it after so many. */
const HAPPENINGS_PER_TURN = 256;

export class Universe {
  readonly seed: number;
  #nowMs = 1_700_000_000_000;
  #state: number;
  #order = 0;
  #happened = 0;
  readonly #heap: Happening[] = [];

  constructor(seed: number) {
    this.seed = seed;
    this.#state = (seed ^ 0x9e3779b9) >>> 0;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Uniform in [0, 1): mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  between(least: number, most: number): number {
    return least + Math.floor(this.random() * (most - least + 1));
  }

  pick<T>(all: readonly T[]): T {
    const one = all[Math.floor(this.random() * all.length)];
    if (one === undefined) throw new Error("nothing to pick from");
    return one;
  }

  /** `happen` after `delayMs` of virtual time. */
  after(delayMs: number, happen: () => void): { cancel(): void } {
    this.#order += 1;
    const happening = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order,
      happen,
      cancelled: false,
    };
    push(this.#heap, happening);
    return {
      cancel: () => {
        happening.cancelled = true;
      },
    };
  }

  /** Resolves after `delayMs` of virtual time. */
  delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Lets everything up to `untilMs` happen; false when there was no end to it, and time did not get there. */
  async runUntil(untilMs: number): Promise<boolean> {
    // Whoever called this may not have ended: a tick would come before what it promised has settled.
    await turned();
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      pop(this.#heap);
      if (next.cancelled) continue;
      this.#happened += 1;
      if (this.#happened > MAX_HAPPENINGS) return false;
      if (this.#happened % HAPPENINGS_PER_TURN === 0) await turned();
      this.#nowMs = next.atMs;
      next.happen();
      await settled();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return true;
  }
}

/** All promises that wait for nothing but promises have settled: a tick comes when no such promise is left. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** Everything else in this process had its turn. */
function turned(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Happening {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
  cancelled: boolean;
}

function before(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Happening[], item: Happening): void {
  heap.push(item);
  let i = heap.length - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !before(item, above)) break;
    heap[i] = above;
    i = parent;
  }
  heap[i] = item;
}

function pop(heap: Happening[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let i = 0;
  for (;;) {
    const left = 2 * i + 1;
    const right = left + 1;
    let least = left;
    const [l, r] = [heap[left], heap[right]];
    if (l === undefined) break;
    if (r !== undefined && before(r, l)) least = right;
    const child = heap[least];
    if (child === undefined || !before(child, last)) break;
    heap[i] = child;
    i = least;
  }
  heap[i] = last;
}
