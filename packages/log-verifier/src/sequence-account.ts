/**
 * The account of the log's sequences: they begin at 1, and each sequence has a message. A missing sequence that is
 * known to be no loss is counted, and is no violation.
 */
import type { Violation } from "./report.ts";

export interface SequenceOptions {
  /**
   * Returns true for a missing sequence that is no loss: its event was never acknowledged, or an operator has given the
   * event up. By default every missing sequence is a loss.
   */
  readonly isNoLoss?: (seq: number) => boolean;
  /** True for a part of the log, such as one kind of aggregate: gaps are then usual. */
  readonly partial?: boolean;
}

export class SequenceAccount {
  readonly #isNoLoss: (seq: number) => boolean;
  readonly #partial: boolean;
  #lastSeq = 0;
  #accepted = 0;

  constructor({ isNoLoss = () => false, partial = false }: SequenceOptions = {}) {
    this.#isNoLoss = isNoLoss;
    this.#partial = partial;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Number of sequences without a message that are no loss. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Takes the sequence of the next message, and returns a violation for each gap before it. */
  next(seq: number, subject: string): Violation[] {
    if (seq <= this.#lastSeq) {
      const message = `follows ${this.#lastSeq}`;
      this.#lastSeq = seq;
      return [{ seq, subject, rule: "sequence", message }];
    }
    const gaps = this.#gapsUpTo(seq - 1);
    this.#lastSeq = seq;
    return gaps;
  }

  /** Ends the account at the last sequence that the log has ever given to a message; returns the gaps before it. */
  end(lastSeq: number): Violation[] {
    const gaps = this.#gapsUpTo(lastSeq);
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq);
    return gaps;
  }

  #gapsUpTo(end: number): Violation[] {
    const violations: Violation[] = [];
    if (this.#partial) return violations;
    let from: number | undefined;
    const close = (to: number) => {
      if (from === undefined) return;
      const message = from === to ? `event ${from} is missing` : `events ${from} to ${to} are missing`;
      violations.push({ seq: from, subject: "", rule: "sequence", message });
      from = undefined;
    };
    for (let seq = this.#lastSeq + 1; seq <= end; seq += 1) {
      if (this.#isNoLoss(seq)) {
        this.#accepted += 1;
        close(seq - 1);
      } else from ??= seq;
    }
    close(end);
    return violations;
  }
}
