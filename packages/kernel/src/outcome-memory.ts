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
  readonly id: string;
  readonly causeId: string;
  readonly atMs: number;
  readonly outcome: Outcome;
}

export class OutcomeMemory<Outcome> {
  readonly #clock: Clock;
  readonly #noted = new Map<string, Noted<Outcome>>();
  /** The last old ones that a start has read, in a ring: most are gone again before anybody could ask. */
  #read: Noted<Outcome>[] = [];
  #readCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(id: string, causeId: string, atMs: number, outcome: Outcome): void {
    if (this.#readCount > 0) this.#takeOverRead();
    this.#put({ id, causeId, atMs, outcome });
  }

  /** As `note`, while a start reads the log: nobody asks in between. */
  noteRead(id: string, causeId: string, atMs: number, outcome: Outcome): void {
    const noted = { id, causeId, atMs, outcome };
    if (atMs >= this.#oldestMs()) {
      this.#put(noted);
      return;
    }
    this.#read[this.#readCount % LEAST_OUTCOMES] = noted;
    this.#readCount += 1;
  }

  of(id: string, causeId: string): Outcome | undefined {
    if (this.#readCount > 0) this.#takeOverRead();
    return this.#noted.get(keyOf(id, causeId))?.outcome;
  }

  #takeOverRead(): void {
    const [read, count] = [this.#read, this.#readCount];
    this.#read = [];
    this.#readCount = 0;
    const first = count > read.length ? count % LEAST_OUTCOMES : 0;
    for (const noted of [...read.slice(first), ...read.slice(0, first)]) this.#put(noted);
  }

  #put(noted: Noted<Outcome>): void {
    this.#noted.set(keyOf(noted.id, noted.causeId), noted);
    if (this.#noted.size <= LEAST_OUTCOMES) return;
    const oldestMs = this.#oldestMs();
    for (const [key, { atMs }] of this.#noted) {
      if (atMs >= oldestMs || this.#noted.size <= LEAST_OUTCOMES) break;
      this.#noted.delete(key);
    }
  }

  #oldestMs(): number {
    return this.#clock.nowMs() - OUTCOME_WINDOW_MS;
  }
}

function keyOf(id: string, causeId: string): string {
  return `${id} ${causeId}`;
}
