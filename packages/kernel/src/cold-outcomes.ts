/**
 * Outcomes of commands from before a start, which are in the log and not in the outcome memory.
 *
 * A start reads states, not outcomes: to keep the states that all recent commands led to would cost a start more than a
 * third of its time. So an aggregate is cold until its first command, when its outcomes are read from the log. After the
 * window in which a command id has one outcome, no caller asks for older ones, and nothing is cold any more.
 */
import { LEAST_OUTCOMES, OUTCOME_WINDOW_MS } from "./outcome-memory.ts";

export class ColdOutcomes {
  /** Aggregates whose outcomes are in the memory: read from the log, or created since the start. */
  readonly #warm = new Set<string>();
  /** End of the window, ms; it begins with the first command. */
  #untilMs: number | undefined;
  /** Events still to come before the memory has its least number of outcomes. */
  #eventsLeft = LEAST_OUTCOMES;

  /** Records an event of aggregate `id` that was appended since the start. */
  noteEvent(id: string, version: number): void {
    this.#eventsLeft -= 1;
    if (version === 1) this.#warm.add(id);
  }

  /** True when the memory has all that a caller may still ask for, by time and by count, as its own rule says. */
  hasEnded(nowMs: number): boolean {
    this.#untilMs ??= nowMs + OUTCOME_WINDOW_MS;
    return this.#untilMs < nowMs && this.#eventsLeft <= 0;
  }

  isWarm(id: string): boolean {
    return this.#warm.has(id);
  }

  markWarm(id: string): void {
    this.#warm.add(id);
  }
}
