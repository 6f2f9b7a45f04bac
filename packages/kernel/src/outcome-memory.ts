/**
 * What came of each command not long ago, by the command's id: a command that comes again gets its first outcome.
 *
 * The log has all of them; this is the part that can be asked without reading it. What is recent is told by time and by count,
 * whichever keeps more: clocks are set forward and back, by minutes, and an event is dated by the clock of who wrote it.
 */
import type { Clock } from "./ports.ts";

/** Contract: the same command id has one outcome within 2 minutes; twice that against skewed clocks. */
export const OUTCOME_WINDOW_MS = 240_000;
/** So many of the newest are kept however old they are said to be. At 100 commands/s this is more than any caller waits. */
export const LEAST_OUTCOMES = 10_000;

interface Noted<Outcome> {
  readonly atMs: number;
  readonly outcome: Outcome;
}

export class OutcomeMemory<Outcome> {
  readonly #clock: Clock;
  readonly #noted = new Map<string, Noted<Outcome>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(id: string, causeId: string, atMs: number, outcome: Outcome): void {
    this.#noted.set(keyOf(id, causeId), { atMs, outcome });
    if (this.#noted.size <= LEAST_OUTCOMES) return;
    const oldestMs = this.#clock.nowMs() - OUTCOME_WINDOW_MS;
    for (const [key, { atMs: noteMs }] of this.#noted) {
      if (noteMs >= oldestMs || this.#noted.size <= LEAST_OUTCOMES) break;
      this.#noted.delete(key);
    }
  }

  of(id: string, causeId: string): Outcome | undefined {
    return this.#noted.get(keyOf(id, causeId))?.outcome;
  }
}

function keyOf(id: string, causeId: string): string {
  return `${id} ${causeId}`;
}
