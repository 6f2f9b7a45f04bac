/**
 * Detects lost events while a log is copied. A server does not know that the bytes of an event are damaged: it leaves the
 * event out when it is read.
 */
import { Fault, type MissingSequences } from "@bioxen/kernel";

export class LogGaps {
  #next: number;
  readonly #missing: readonly MissingSequences[];

  /** `missing`: ascending ranges of sequences that have no message and are no loss. */
  constructor(fromSeq: number, missing: readonly MissingSequences[]) {
    this.#next = fromSeq;
    this.#missing = missing;
  }

  /** Throws `Fault` CONFLICT, not retryable, when a sequence before `seq` was not received and is a loss. */
  received(seq: number): void {
    for (; this.#next < seq; this.#next += 1) {
      const known = this.#missing.find(([from, to]) => from <= this.#next && this.#next <= to);
      if (known === undefined) {
        const message = `event ${this.#next} is missing in the event log: \`bioxen doctor\` says more`;
        throw new Fault("CONFLICT", message, { retryable: false, details: { seq: this.#next } });
      }
      this.#next = Math.min(known[1], seq - 1);
    }
    this.#next = seq + 1;
  }
}
