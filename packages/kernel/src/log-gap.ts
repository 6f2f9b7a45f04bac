/**
 * Events that a reader of the log should have received and that the log does not have.
 */
import { Fault } from "./fault.ts";

export class LogGap extends Fault {
  /** The first and the last missing sequence. */
  readonly from: number;
  readonly to: number;

  constructor(from: number, to: number) {
    const events = from === to ? `event ${from} is` : `events ${from} to ${to} are`;
    super("UNAVAILABLE", `${events} missing in the event log`, { retryable: false, details: { seq: from } });
    this.from = from;
    this.to = to;
  }
}
