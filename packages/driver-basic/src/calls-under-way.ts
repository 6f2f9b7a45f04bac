/**
 * The calls into the Lua of one guest that have not ended: programs, hooks and execs.
 */
export class CallsUnderWay {
  readonly #calls = new Set<Promise<unknown>>();

  /** Returns the call, and counts it as under way until it settles. */
  async track<T>(call: Promise<T>): Promise<T> {
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Resolves when every call that is under way now has settled, at the latest after `withinMs`, ms. */
  async ended(withinMs: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    await Promise.race([late, Promise.allSettled(this.#calls)]);
    clearTimeout(timer);
  }
}
