/**
 * Work in turns: what has the same turn is done one after the other, in the order it came; different turns at the same time,
 * a bounded number of them. Work that is to be done again later keeps its turn waiting, and nobody else.
 */
import type { Timers } from "@bioxen/kernel";

export type AfterWork = { readonly kind: "done" } | { readonly kind: "again"; readonly afterMs: number };

export class Turns<Work> {
  readonly #queues = new Map<string, Work[]>();
  /** Turns whose head can be worked on now, in the order they became so. */
  #ready: string[] = [];
  readonly #waits = new Set<{ cancel(): void }>();
  readonly #running = new Set<Promise<void>>();
  readonly #atOnce: number;
  readonly #timers: Timers;
  readonly #work: (work: Work) => Promise<AfterWork>;
  #ended = false;

  /** `work` must not throw. */
  constructor(atOnce: number, timers: Timers, work: (work: Work) => Promise<AfterWork>) {
    this.#atOnce = atOnce;
    this.#timers = timers;
    this.#work = work;
  }

  add(turn: string, work: Work): void {
    if (this.#ended) return;
    const queue = this.#queues.get(turn);
    if (queue !== undefined) {
      queue.push(work);
      return;
    }
    this.#queues.set(turn, [work]);
    this.#ready.push(turn);
    this.#pump();
  }

  /** Begins nothing more; resolves when what is under way has come to its end. */
  async end(): Promise<void> {
    this.#ended = true;
    for (const wait of this.#waits) wait.cancel();
    this.#ready = [];
    await Promise.all(this.#running);
  }

  #pump(): void {
    while (!this.#ended && this.#running.size < this.#atOnce) {
      const turn = this.#ready.shift();
      if (turn === undefined) return;
      const running = this.#workOn(turn).finally(() => {
        this.#running.delete(running);
        this.#pump();
      });
      this.#running.add(running);
    }
  }

  async #workOn(turn: string): Promise<void> {
    const queue = this.#queues.get(turn) ?? [];
    const [head] = queue;
    if (head === undefined) return;
    const after = await this.#work(head);
    if (this.#ended) return;
    if (after.kind === "again") {
      const wait = this.#timers.after(after.afterMs, () => {
        this.#waits.delete(wait);
        this.#ready.push(turn);
        this.#pump();
      });
      this.#waits.add(wait);
      return;
    }
    queue.shift();
    if (queue.length === 0) this.#queues.delete(turn);
    else this.#ready.push(turn);
  }
}
