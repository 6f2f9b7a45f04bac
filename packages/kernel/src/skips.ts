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

/** The result of {@link Skips.observe}: the change that a message makes to the skips, or the rejected message. */
export interface ObservedSkip {
  readonly change?: SkipChange;
  /**
   * The observed message, if it cannot be used. A rejected message is left out like a skipped message, so that it never
   * prevents the next skip.
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
  /** Returns the sequence of the last skipped message of a subject; 0 when no message of the subject is skipped. */
  tailOf(streamSubject: string): number;
  /** Applies the next message on {@link Skips.streamSubject}; ignores a message that was observed before. */
  observe(message: LogMessage): ObservedSkip;
}

/** An implementation for a log in which no message is skipped, such as the log of a test. */
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

  /**
   * Appends an event. `expectedSeq` is the sequence of the subject's last message that was not skipped; the append also
   * succeeds when skipped messages follow that message.
   */
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
