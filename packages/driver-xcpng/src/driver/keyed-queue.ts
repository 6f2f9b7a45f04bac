/**
 * One thing at a time for each key, in order of asking; different keys do not wait for each other.
 */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const done = before.then(work, work);
    const tail = done.then(
      () => undefined,
      () => undefined,
    );
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return done;
  }

  isBusy(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Everything asked for so far has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
