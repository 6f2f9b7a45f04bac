/**
 * The form of every process manager here: keys that may need work, looked at one by one until nothing is due.
 *
 * Level-triggered: `step` compares what is with what should be and does at most one thing about it, so that a lost
 * wake-up, a crash or a duplicate costs a look, never an effect. A step that throws is tried again with growing
 * waits; it never blocks the other keys. Each key has one step at a time.
 */
import { type Backoff, backoffDelayMs } from "./backoff.ts";
import type { Clock, Timers } from "./ports.ts";

/** Waits between the tries of a step that fails: an outage of a second costs a second, a long one twelve tries a minute. */
const STEP_BACKOFF: Backoff = { firstMs: 100, ceilingMs: 5_000 };
/** Steps in flight at once: enough to overlap appends, few enough not to flood the other services. */
const MAX_IN_FLIGHT = 32;
/**
 * Steps begun before everything else gets a turn. Most steps find nothing to do and never wait for anything: 100 000 of
 * them at a start would keep requests unheard for a second.
 */
const STEPS_PER_TURN = 256;

/** What follows a step: look again when an event says so, or at an instant even if nothing happens. */
export type StepResult = { readonly dueAtMs: number } | undefined;

export interface ReconcilerOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly step: (key: string) => Promise<StepResult>;
  readonly onError: (key: string, thrown: unknown) => void;
  /**
   * Wait between the first wake of an idle key and its step, ms: all wakes in that time share one step. With it a wake never
   * shortens the back-off after a failed step. Default: a wake begins the step at once, also during a back-off.
   */
  readonly gatherMs?: number;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #dirty = new Set<string>();
  readonly #running = new Set<string>();
  readonly #timers = new Map<string, { cancel(): void }>();
  /** Keys that gather wakes or back off: a wake does not move their timer. Empty without `gatherMs`. */
  readonly #delayed = new Set<string>();
  readonly #failures = new Map<string, number>();
  #stopped = false;
  #begunThisTurn = 0;
  #nextTurn: { cancel(): void } | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** `key` may need work. Cheap; many wakes before the next step are one. */
  wake(key: string): void {
    if (this.#options.gatherMs === undefined || this.#running.has(key)) this.#begin(key);
    else this.#gather(key, this.#options.gatherMs);
  }

  #begin(key: string): void {
    if (this.#stopped) return;
    this.#dirty.add(key);
    this.#pump();
  }

  #gather(key: string, gatherMs: number): void {
    if (this.#delayed.has(key)) return;
    this.#delayed.add(key);
    this.#wakeAt(key, this.#options.clock.nowMs() + gatherMs);
  }

  /** No further steps begin; resolves when those in flight have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#dirty.clear();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#nextTurn?.cancel();
    while (this.#running.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  #pump(): void {
    if (this.#nextTurn !== undefined) return;
    for (const key of this.#dirty) {
      if (this.#running.size >= MAX_IN_FLIGHT) return;
      if (this.#running.has(key)) continue;
      if (this.#begunThisTurn >= STEPS_PER_TURN) {
        this.#giveOthersATurn();
        return;
      }
      this.#begunThisTurn += 1;
      this.#dirty.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
  }

  #giveOthersATurn(): void {
    this.#nextTurn = this.#options.timers.after(0, () => {
      this.#nextTurn = undefined;
      this.#begunThisTurn = 0;
      this.#pump();
    });
  }

  async #run(key: string): Promise<void> {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    this.#delayed.delete(key);
    const { gatherMs } = this.#options;
    try {
      const next = await this.#options.step(key);
      this.#failures.delete(key);
      if (next !== undefined) this.#wakeAt(key, next.dueAtMs);
    } catch (thrown) {
      this.#options.onError(key, thrown);
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      if (gatherMs !== undefined) this.#delayed.add(key);
      this.#wakeAt(key, this.#options.clock.nowMs() + backoffDelayMs(STEP_BACKOFF, failures));
    } finally {
      this.#running.delete(key);
      if (gatherMs !== undefined && this.#dirty.delete(key)) this.#gather(key, gatherMs);
      this.#pump();
    }
  }

  #wakeAt(key: string, atMs: number): void {
    if (this.#stopped) return;
    const delayMs = Math.max(0, atMs - this.#options.clock.nowMs());
    this.#timers.get(key)?.cancel();
    this.#timers.set(
      key,
      this.#options.timers.after(delayMs, () => this.#begin(key)),
    );
  }
}
