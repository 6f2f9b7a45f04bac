/**
 * The skipped messages that a process knows, from the events on `bioxen.evt.log.skips`.
 *
 * An unreadable message on that subject must not prevent later skips. Such a message is therefore left out
 * automatically, and reported until an operator skips it explicitly.
 */
import {
  isUnreadable,
  type LogMessage,
  type ObservedSkip,
  positionOf,
  type Skips,
  type UnreadableMessage,
  VersionedStates,
} from "@bioxen/kernel";
import { LOG_SKIPS_ID, type LogEvent } from "./events/log.ts";
import { type LogState, logFold } from "./fold/log.ts";
import { eventSubject } from "./subjects.ts";

export class SkippedMessages implements Skips {
  readonly streamSubject = eventSubject("log", LOG_SKIPS_ID);
  readonly #states = new VersionedStates<LogState>(logFold);
  /** Subject of each message that is left out, by sequence. */
  readonly #subjects = new Map<number, string>();
  /** Highest sequence of a left-out message, by subject. */
  readonly #tails = new Map<string, number>();
  #observedSeq = 0;

  has(seq: number): boolean {
    return this.#subjects.has(seq);
  }

  upTo(seq: number): readonly number[] {
    return [...this.#subjects.keys()].filter((one) => one <= seq).sort((a, b) => a - b);
  }

  tailOf(streamSubject: string): number {
    return this.#tails.get(streamSubject) ?? 0;
  }

  observe(message: LogMessage): ObservedSkip {
    if (message.seq <= this.#observedSeq) return {};
    this.#observedSeq = message.seq;
    const rejected = this.#apply(message);
    if (rejected !== undefined || isUnreadable(message)) {
      this.#leaveOut(message.seq, message.streamSubject);
      return rejected === undefined ? {} : { rejected };
    }
    const event = message.envelope as { type: string } as LogEvent;
    const change = { seq: event.data.seq, streamSubject: event.data.subject };
    if (event.type === "bioxen.log.skipped.v1") this.#leaveOut(change.seq, change.streamSubject);
    else this.#takeBack(change.seq, change.streamSubject);
    return { change };
  }

  /** Folds the message. If it is unreadable or contradicts the folded state, returns the message with the reason. */
  #apply(message: LogMessage): UnreadableMessage | undefined {
    if (isUnreadable(message)) return message;
    this.#states.apply(LOG_SKIPS_ID, message, positionOf(message));
    const misfit = this.#states.asideOf(LOG_SKIPS_ID)?.first;
    this.#states.resume(LOG_SKIPS_ID);
    return misfit;
  }

  #leaveOut(seq: number, streamSubject: string): void {
    this.#subjects.set(seq, streamSubject);
    this.#tails.set(streamSubject, Math.max(seq, this.tailOf(streamSubject)));
  }

  #takeBack(seq: number, streamSubject: string): void {
    this.#subjects.delete(seq);
    const left = [...this.#subjects].flatMap(([one, subject]) => (subject === streamSubject ? [one] : []));
    this.#tails.set(streamSubject, Math.max(0, ...left));
  }
}
