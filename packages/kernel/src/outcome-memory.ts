/**
 * The recent outcomes of commands in memory, by command id: a repeated command gets its first outcome.
 *
 * The log has every outcome; the outcomes here are found without a read of the log. Every outcome with a recent time is
 * kept, and also the newest {@link MIN_OUTCOMES} outcomes of any time. The time alone is not enough: it comes from the
 * wall clock of the event's writer, and wall clocks are set forward and back by minutes.
 */
import type { Clock } from "./ports.ts";

/**
 * Time for which an outcome is remembered, ms. The contract promises 2 minutes; twice that time allows for skewed
 * clocks.
 */
export const OUTCOME_WINDOW_MS = 240_000;
/**
 * Number of newest outcomes that are kept whatever their time. At 100 commands/s they span 100 s, longer than any
 * caller waits.
 */
export const MIN_OUTCOMES = 10_000;

interface Remembered<Outcome> {
  readonly atMs: number;
  readonly outcome: Outcome;
}

export class OutcomeMemory<Outcome> {
  readonly #clock: Clock;
  readonly #outcomes = new Map<string, Remembered<Outcome>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  remember(id: string, causeId: string, atMs: number, outcome: Outcome): void {
    this.#outcomes.set(keyOf(id, causeId), { atMs, outcome });
    if (this.#outcomes.size <= MIN_OUTCOMES) return;
    const oldestMs = this.#clock.nowMs() - OUTCOME_WINDOW_MS;
    for (const [key, { atMs: outcomeMs }] of this.#outcomes) {
      if (outcomeMs >= oldestMs || this.#outcomes.size <= MIN_OUTCOMES) break;
      this.#outcomes.delete(key);
    }
  }

  of(id: string, causeId: string): Outcome | undefined {
    return this.#outcomes.get(keyOf(id, causeId))?.outcome;
  }
}

function keyOf(id: string, causeId: string): string {
  return `${id} ${causeId}`;
}
