/**
 * A message of the log that this process cannot fold, and the rule for what happens then.
 *
 * One unreadable message costs one aggregate, never a service: the state of that aggregate stays as it was before the
 * message, its commands and queries get an error that names the sequence, and all other aggregates go on. An operator
 * can skip the message (`bioxen events skip`); from then on every reader of the log leaves it out.
 */
import type { StoredEvent } from "./envelope.ts";
import { Fault } from "./fault.ts";

export interface UnreadableMessage {
  readonly seq: number;
  readonly streamSubject: string;
  /** SHA-256 of the message's stored bytes, hexadecimal. */
  readonly digest: string;
  /** The problem, as the end of a sentence: `it is not JSON`. */
  readonly why: string;
  /** True when a newer release of BioXen probably wrote the message: this release does not know its type. */
  readonly isNewer: boolean;
}

/** A message of the log: an event, or a message that cannot be decoded. */
export type LogMessage = StoredEvent | UnreadableMessage;

export function isUnreadable(message: LogMessage): message is UnreadableMessage {
  return "why" in message;
}

/** An aggregate that cannot be folded further, with the first message that its fold does not contain. */
export interface SetAside {
  readonly first: UnreadableMessage;
  /** Sequence of the aggregate's newest message; above `first.seq` when later messages wait for the first one. */
  readonly lastSeq: number;
}

/** Returns the error for a reader of an aggregate that this message blocks. A retry cannot help. */
export function unreadableFault({ seq, streamSubject, why, isNewer }: UnreadableMessage): Fault {
  return new Fault("CORRUPT_EVENT", `event ${seq} on ${streamSubject} cannot be read: ${why}`, {
    retryable: false,
    details: { seq, subject: streamSubject, newer: isNewer },
  });
}

/** Returns the events among `messages`. Throws `Fault` CORRUPT_EVENT for the first message that is unreadable. */
export function readableOnly(messages: readonly LogMessage[]): readonly StoredEvent[] {
  return messages.map((message) => {
    if (isUnreadable(message)) throw unreadableFault(message);
    return message;
  });
}

/** The listeners of a follower of the log. */
export interface MessageListeners {
  readonly onEvent: (event: StoredEvent) => void;
  readonly onUnreadable?: ((message: UnreadableMessage) => void) | undefined;
}

/**
 * Delivers an event to `onEvent`, and an unreadable message to `onUnreadable`. Throws `Fault` CORRUPT_EVENT for an
 * unreadable message when there is no `onUnreadable`.
 */
export function deliverTo({ onEvent, onUnreadable }: MessageListeners, message: LogMessage): void {
  if (!isUnreadable(message)) onEvent(message);
  else if (onUnreadable === undefined) throw unreadableFault(message);
  else onUnreadable(message);
}
