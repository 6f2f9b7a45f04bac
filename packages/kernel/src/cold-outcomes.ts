/**
 * Tracks the aggregates whose command outcomes from before the start of the process are in the log but not in memory.
 *
 * An outcome is the state of an aggregate after one command. A start of a service keeps only the newest states: to keep
 * the recent outcomes as well would cost more than a third of the time of a start. An aggregate is therefore cold until
 * its first command after the start. At that command, the aggregate's outcomes are read from the log. BioXen promises
 * the first outcome of a command id for a limited time only. After that time no caller asks for outcomes from before
 * the start, and tracking ends.
 */
import { MIN_OUTCOMES, OUTCOME_WINDOW_MS } from "./outcome-memory.ts";

export class ColdOutcomes {
  /** Ids of aggregates whose outcomes were read from the log, and of aggregates that were created after the start. */
  readonly #warm = new Set<string>();
  /** Instant after which no caller asks for outcomes from before the start, epoch ms; set at the first command. */
  #untilMs: number | undefined;
  /** Number of further events until {@link MIN_OUTCOMES} outcomes from after the start are in memory. */
  #eventsLeft = MIN_OUTCOMES;

  /** Records an event of aggregate `id` that was appended since the start. */
  noteEvent(id: string, version: number): void {
    this.#eventsLeft -= 1;
    if (version === 1) this.#warm.add(id);
  }

  /**
   * True when tracking can end: {@link OUTCOME_WINDOW_MS} has passed since the first command, and {@link MIN_OUTCOMES}
   * outcomes from after the start are in memory.
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
