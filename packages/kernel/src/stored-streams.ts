/**
 * The ports with which a backup reads the streams of a server, and with which a restore fills them.
 *
 * A message is copied with its sequence, because fences, cursors and expected sequences refer to sequences of the event
 * log. The server gives a restored message the time of the restore: no service reads the time of an event's message.
 */

/** A message as a stream has it. */
export interface StreamMessage {
  /** Sequence in its stream, 1 for the first message. */
  readonly seq: number;
  readonly subject: string;
  /** When the server stored the message, RFC 3339. */
  readonly time: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly data: Uint8Array;
}

/** The first and the last of consecutive sequences that have no message. */
export type MissingSequences = readonly [from: number, to: number];

/** What identifies an event log, and where it ends. */
export interface LogFigures {
  readonly clusterId: string;
  /** When the server created the stream, as the server writes it. */
  readonly created: string;
  /** Sequence of the last event that can be read; 0 for an empty log. */
  readonly lastSeq: number;
  /** Sequences up to `lastSeq` that have no message and are no loss: they were never acknowledged, or their loss was accepted. */
  readonly missing: readonly MissingSequences[];
}

/** Every method throws `Fault` UNAVAILABLE when the server does not answer. */
export interface StreamSource {
  /** Throws `Fault` CONFLICT for a log that has lost events, and UNAVAILABLE when the server has no event stream. */
  log(): Promise<LogFigures>;
  /** Returns the last sequence that the stream has given; undefined when the server has no such stream. */
  lastSeq(stream: string): Promise<number | undefined>;
  /** Returns the subjects that have a message in the stream now, unsorted. */
  subjects(stream: string): Promise<readonly string[]>;
  /**
   * Returns the messages with sequences from `fromSeq` to `toSeq`, in order. Holds a bounded number of bytes at a time,
   * however many messages there are.
   */
  read(stream: string, fromSeq: number, toSeq: number): AsyncIterable<StreamMessage>;
}

export interface NewLog {
  /** The id of the restored cluster; undefined: a new one. */
  readonly clusterId: string | undefined;
}

export interface StreamTarget {
  /** Returns one sentence for each thing that makes the server no place for a restore; an empty list for an empty server. */
  obstacles(): Promise<readonly string[]>;
  /**
   * Fills the event log, with the sequences of the messages. A sequence without a message has none afterwards either.
   * Throws `Fault` CONFLICT, not retryable, when the server stores a message under another sequence.
   */
  fillLog(messages: AsyncIterable<StreamMessage>, log: NewLog): Promise<void>;
  /** Fills another stream, under sequences of its own. */
  fill(stream: string, messages: AsyncIterable<StreamMessage>): Promise<void>;
  /** Records the present log as the one that services may go on with. Call it at the end. */
  recordLog(): Promise<LogFigures>;
  /** Reads a stream back, to compare it with what was written. */
  readonly source: Pick<StreamSource, "read" | "lastSeq">;
}
