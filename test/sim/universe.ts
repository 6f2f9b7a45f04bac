/**
 * The virtual time of one run: a clock, a queue of scheduled callbacks, and every random choice, all from one seed.
 *
 * All asynchrony of a simulated cluster goes through this queue, so that a seed determines the whole history. Between
 * two callbacks the promises that the first one caused settle, in the order that the language defines.
 */
/** The most callbacks of one run. 200 sound runs had 9 000 to 20 000 each; a run with more never comes to rest. */
export const MAX_HAPPENINGS = 500_000;

/**
 * Callbacks from one turn of the event loop to the next. A turn costs more than most callbacks, but other code waits
 * for it.
 */
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

  /** Returns a number uniform in [0, 1), by mulberry32. */
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

  /** Calls `happen` after `delayMs` of virtual time. */
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

  /** Runs every callback due up to `untilMs`. Returns false when `MAX_HAPPENINGS` came first. */
  async runUntil(untilMs: number): Promise<boolean> {
    // The caller may still hold promises that have not settled; a tick alone would come before them.
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

/** Resolves when all promises that wait only for promises have settled: Node runs a tick after the last of them. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** Resolves after everything else in this process had a turn of the event loop. */
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
