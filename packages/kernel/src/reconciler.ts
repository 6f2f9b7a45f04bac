/**
 * The common form of every process manager: takes one step at a time for each key, until no step is due. A key
 * identifies one object that may need work, such as a VM.
 *
 * Level-triggered: `step` compares the actual with the desired state and does at most one thing about the difference. A
 * lost wake-up, a crash or a duplicate therefore costs one more comparison, and never repeats an effect. A step that
 * throws is retried with a growing wait and never blocks the other keys.
 */
import { type Backoff, backoffDelayMs } from "./backoff.ts";
import { Fault } from "./fault.ts";
import type { Clock, Timers } from "./ports.ts";

/**
 * Wait before the next try of a step that failed because an unreadable event blocks an aggregate, ms. An event wakes
 * the step's key once the aggregate is usable again, so the next try is only a safeguard.
 */
const ASIDE_WAIT_MS = 60_000;
/** Waits between the tries of a failing step: short after the first failure, twelve tries a minute in a long outage. */
const STEP_BACKOFF: Backoff = { firstMs: 100, ceilingMs: 5_000 };
/** Maximum number of concurrent steps: enough to overlap appends, few enough not to flood the other services. */
const MAX_IN_FLIGHT = 32;
/**
 * Maximum number of steps that begin before timers and sockets get a turn. Most steps find nothing to do and never
 * wait: at a start, 100 000 of them without a break would leave requests unanswered for a second.
 */
const STEPS_PER_TURN = 256;

/**
 * When the next step of the key is due: at the next wake of the key, or at `dueAtMs`, epoch ms, if that comes first.
 */
export type StepResult = { readonly dueAtMs: number } | undefined;

export interface ReconcilerOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly step: (key: string) => Promise<StepResult>;
  readonly onError: (key: string, thrown: unknown) => void;
  /**
   * Wait between the first wake of an idle key and its step, ms: all wakes in that time share one step. With this
   * option, a wake never shortens the back-off after a failed step. Without it, a wake begins the step at once, also
   * during a back-off.
   */
  readonly gatherMs?: number;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #dirty = new Set<string>();
  readonly #running = new Set<string>();
  readonly #timers = new Map<string, { cancel(): void }>();
  /**
   * Keys that wait for the end of `gatherMs` or of a back-off: a wake does not change their timer. Empty without
   * `gatherMs`.
   */
  readonly #delayed = new Set<string>();
  readonly #failures = new Map<string, number>();
  #stopped = false;
  #stepsThisTurn = 0;
  #nextTurn: { cancel(): void } | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Requests a step for `key`, which may need work. Wakes before the next step count as one, so a wake is cheap. */
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

  /** Begins no further step; resolves when the steps in flight have ended. */
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
      if (this.#stepsThisTurn >= STEPS_PER_TURN) {
        this.#yieldToEventLoop();
        return;
      }
      this.#stepsThisTurn += 1;
      this.#dirty.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
  }

  #yieldToEventLoop(): void {
    this.#nextTurn = this.#options.timers.after(0, () => {
      this.#nextTurn = undefined;
      this.#stepsThisTurn = 0;
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
      const isAside = thrown instanceof Fault && thrown.code === "CORRUPT_EVENT";
      const waitMs = isAside ? ASIDE_WAIT_MS : backoffDelayMs(STEP_BACKOFF, failures);
      this.#wakeAt(key, this.#options.clock.nowMs() + waitMs);
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
