/**
 * Runs work under one key in order, one piece at a time; work under different keys runs concurrently.
 *
 * The queue has no limit: callers bound what they queue. A piece that fails does not stop the pieces behind it.
 */
export class KeyedQueue {
  /** For each key with work, a promise that resolves when the last queued piece of work has ended; it never rejects. */
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` after everything queued under `key` so far, and returns its result or its rejection. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#tails.get(key) ?? Promise.resolve()).then(work);
    const tail = result.catch(() => undefined);
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }

  /** True while work under `key` runs or waits. */
  isBusy(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Resolves when all work queued so far has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
