/**
 * Tracks the aggregates whose command outcomes from before the start are in the log but not in the outcome memory.
 *
 * A start of a service reads states, not outcomes: to keep the state after each recent command would cost more than a
 * third of the time of a start. An aggregate is therefore cold until its first command after the start, at which its
 * outcomes are read from the log. A command id has one outcome for a limited time. After that time no caller asks for
 * older outcomes, and tracking ends.
 */
import { MIN_OUTCOMES, OUTCOME_WINDOW_MS } from "./outcome-memory.ts";

export class ColdOutcomes {
  /** Ids of the aggregates whose outcomes are in the outcome memory: read from the log, or created since the start. */
  readonly #warm = new Set<string>();
  /** Instant after which no caller asks for outcomes from before the start, epoch ms; set at the first command. */
  #untilMs: number | undefined;
  /** Number of further events until the outcome memory has {@link MIN_OUTCOMES} outcomes from after the start. */
  #eventsLeft = MIN_OUTCOMES;

  /** Records an event of aggregate `id` that was appended since the start. */
  noteEvent(id: string, version: number): void {
    this.#eventsLeft -= 1;
    if (version === 1) this.#warm.add(id);
  }

  /**
   * True when tracking can end: the outcome window has passed since the first command, and the outcome memory has its
   * minimum number of outcomes from after the start.
   */
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
