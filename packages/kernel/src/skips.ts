/**
 * The messages that an operator has set aside with `bioxen events skip`, and a log that leaves them out.
 *
 * The skips are events of the log themselves. A process reads them before all other events, so that a replay leaves
 * out a skipped message even though the decision to skip it stands later in the log.
 */
import type { EventEnvelope, StoredEvent } from "./envelope.ts";
import type { AppendResult, EventLog, Following, FollowOptions } from "./ports.ts";
import { type LogMessage, readableOnly, type UnreadableMessage } from "./unreadable.ts";

/** A message that was skipped, or whose skip was taken back. */
export interface SkipChange {
  readonly seq: number;
  readonly streamSubject: string;
}

/** The effect of one message on the skips. */
export interface ObservedSkip {
  readonly change?: SkipChange;
  /**
   * Set when the message itself cannot be used. It is left out like a skipped message, so that it never prevents the
   * next skip.
   */
  readonly rejected?: UnreadableMessage;
}

/** The skipped messages that a process knows. Its implementation belongs to packages/contracts. */
export interface Skips {
  /** The subject on which skips are recorded; undefined when no skips are kept. */
  readonly streamSubject: string | undefined;
  has(seq: number): boolean;
  /** Returns every skipped sequence up to `seq`, in ascending order. */
  upTo(seq: number): readonly number[];
  /** Returns the highest skipped sequence on a subject; 0 when none is skipped there. */
  tailOf(streamSubject: string): number;
  /** Takes note of the next message on {@link Skips.streamSubject}; ignores one that it has observed before. */
  observe(message: LogMessage): ObservedSkip;
}

/** For a log without skips, such as a test's. */
export const NO_SKIPS: Skips = {
  streamSubject: undefined,
  has: () => false,
  upTo: () => [],
  tailOf: () => 0,
  observe: () => ({}),
};

/** An event log without the skipped messages. `follow` and `messageAt` still deliver them. */
export class SkippingLog implements EventLog {
  readonly #log: EventLog;
  readonly #skips: Skips;

  constructor(log: EventLog, skips: Skips) {
    this.#log = log;
    this.#skips = skips;
  }

  /** Appends after the skipped messages of the subject, which the caller's `expectedSeq` does not count. */
  append(streamSubject: string, envelope: EventEnvelope, expectedSeq: number): Promise<AppendResult> {
    return this.#log.append(
      streamSubject,
      envelope,
      Math.max(expectedSeq, this.#skips.tailOf(streamSubject)),
    );
  }

  async read(
    streamSubject: string,
    afterSeq: number,
    untilSeq?: number,
    limit?: number,
  ): Promise<readonly StoredEvent[]> {
    return readableOnly(await this.readMessages(streamSubject, afterSeq, untilSeq, limit));
  }

  /** Omits skipped messages. `limit` counts them too, so the result can be shorter than `limit`. */
  async readMessages(
    streamSubject: string,
    afterSeq: number,
    untilSeq?: number,
    limit?: number,
  ): Promise<readonly LogMessage[]> {
    const messages = await this.#log.readMessages(streamSubject, afterSeq, untilSeq, limit);
    return this.#skips.tailOf(streamSubject) === 0
      ? messages
      : messages.filter(({ seq }) => !this.#skips.has(seq));
  }

  messageAt(seq: number): Promise<LogMessage | undefined> {
    return this.#log.messageAt(seq);
  }

  follow(options: FollowOptions): Promise<Following> {
    return this.#log.follow(options);
  }

  lastSeq(): Promise<number> {
    return this.#log.lastSeq();
  }
}
