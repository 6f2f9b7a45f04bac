/**
 * Bounds the requests that the gateway passes on at the same time, so that a flood over HTTP fills no memory. The fair
 * shares of callers are the task of the services, which know their own load.
 */

/** Requests under way together: with bodies of the largest size they take 256 MiB. */
const MAX_TOTAL = 512;
/** Requests of one principal under way: half of all, so that one principal leaves room for others. */
const MAX_OF_ONE = 256;
/** Time after which a refused caller may try again, ms: about the time of a slow command. */
export const RETRY_AFTER_MS = 200;

export class InFlight {
  #total = 0;
  readonly #of = new Map<string, number>();

  /** Counts one request of a principal. Returns the function that ends it; undefined when there are too many. */
  begin(principal: string): (() => void) | undefined {
    const own = this.#of.get(principal) ?? 0;
    if (this.#total >= MAX_TOTAL || own >= MAX_OF_ONE) return undefined;
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
