/**
 * Tracks the aggregates whose command outcomes from before the start are in the log but not in the outcome memory.
 *
 * A start reads states, not outcomes: keeping the states that all recent commands led to would cost a start more than a
 * third of its time. An aggregate is therefore cold until its first command, which reads its outcomes from the log. A
 * command id has one outcome for a limited time. After that time no caller asks for older outcomes, and tracking ends.
 */
import { MIN_OUTCOMES, OUTCOME_WINDOW_MS } from "./outcome-memory.ts";

export class ColdOutcomes {
  /** Aggregates whose outcomes are in the memory: read from the log, or created since the start. */
  readonly #warm = new Set<string>();
  /** End of the window, epoch ms; the window begins with the first command. */
  #untilMs: number | undefined;
  /** Number of further events until the memory has its minimum number of outcomes. */
  #eventsLeft = MIN_OUTCOMES;

  /** Records an event of aggregate `id` that was appended since the start. */
  noteEvent(id: string, version: number): void {
    this.#eventsLeft -= 1;
    if (version === 1) this.#warm.add(id);
  }

  /** True when the memory has every outcome that a caller may still ask for, by time and by number. */
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
