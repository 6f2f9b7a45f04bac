/**
 * Work under one key is done one after the other, in the order it came; under different keys at the same time.
 */
export class SerialQueues {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** What `work` gives, once its turn has come. One that fails keeps nobody from his turn. */
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#tails.get(key) ?? Promise.resolve()).then(work);
    const tail = turn.catch(() => undefined);
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return turn;
  }
}
