/**
 * Bounds what goes on at the same time, for all callers together and for each principal. The fair shares of callers are
 * the task of the services, which know their own load.
 */

export interface Bounds {
  readonly total: number;
  /** For one principal. */
  readonly ofOne: number;
}

/**
 * Requests under way: with bodies of the largest size they take 256 MiB. One principal has half of them, so that it
 * leaves room for others.
 */
export const REQUEST_BOUNDS: Bounds = { total: 512, ofOne: 256 };
/**
 * Streams of events: each holds a connection, a buffer and a reader on the server. A console has three in each of its
 * windows.
 */
export const STREAM_BOUNDS: Bounds = { total: 256, ofOne: 32 };
/** Time after which a refused caller may try again, ms: about the time of a slow command. */
export const RETRY_AFTER_MS = 200;

export class InFlight {
  readonly #bounds: Bounds;
  #total = 0;
  readonly #of = new Map<string, number>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Counts one more of a principal. Returns the function that ends it; undefined when there are too many. */
  begin(principal: string): (() => void) | undefined {
    const own = this.#of.get(principal) ?? 0;
    if (this.#total >= this.#bounds.total || own >= this.#bounds.ofOne) return undefined;
    this.#total += 1;
    this.#of.set(principal, own + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#total -= 1;
      const left = (this.#of.get(principal) ?? 1) - 1;
      if (left === 0) this.#of.delete(principal);
      else this.#of.set(principal, left);
    };
  }
}
