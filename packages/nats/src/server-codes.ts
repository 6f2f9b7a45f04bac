/**
 * Error codes of JetStream, by the names of nats-server (`server/errors.json`), and what each means to an adapter.
 */
import { JetStreamApiError } from "@nats-io/jetstream";

const CODES = {
  clusterNotAvailable: 10_008,
  clusterNotLeader: 10_009,
  noMessageFound: 10_037,
  streamMessageExceedsMaximum: 10_054,
  streamNotFound: 10_059,
  streamWrongLastSequence: 10_071,
  streamOffline: 10_118,
  /** The server is still storing a message with the same id. */
  streamDuplicateMessageConflict: 10_158,
  /** The last sequence of the subject is unknown while another message of that subject is being stored. */
  streamExpectedLastSeqPerSubjectNotReady: 10_163,
  /** `streamWrongLastSequence` without the number of the last sequence: a cluster answers this. */
  streamWrongLastSequenceConstant: 10_164,
  streamTooManyRequests: 10_167,
} as const;

const WRONG_LAST_SEQUENCE = [CODES.streamWrongLastSequence, CODES.streamWrongLastSequenceConstant];
/** The request is sound, but the cluster is electing a leader or is busy with another message. */
const TEMPORARY = [
  CODES.clusterNotAvailable,
  CODES.clusterNotLeader,
  CODES.streamOffline,
  CODES.streamDuplicateMessageConflict,
  CODES.streamExpectedLastSeqPerSubjectNotReady,
  CODES.streamTooManyRequests,
];

function hasCode(cause: unknown, codes: readonly number[]): boolean {
  return cause instanceof JetStreamApiError && codes.includes(cause.code);
}

/** True when the expected sequence or revision of an append is not the last one. */
export function isWrongLastSequence(cause: unknown): boolean {
  return hasCode(cause, WRONG_LAST_SEQUENCE);
}

export function isMessageNotFound(cause: unknown): boolean {
  return hasCode(cause, [CODES.noMessageFound]);
}

export function isStreamNotFound(cause: unknown): boolean {
  return hasCode(cause, [CODES.streamNotFound]);
}

/** True when the message is larger than the stream accepts. */
export function isMessageTooLarge(cause: unknown): boolean {
  return hasCode(cause, [CODES.streamMessageExceedsMaximum]);
}

/** True when the server refuses the request and would refuse it again: a retry cannot help. */
export function isRefusal(cause: unknown): boolean {
  return cause instanceof JetStreamApiError && !hasCode(cause, TEMPORARY);
}

/**
 * True when no server leads the stream, so that a published message is not stored. The client calls this "not enabled".
 */
export function isLeaderless(cause: unknown): boolean {
  return cause instanceof Error && cause.name === "JetStreamNotEnabled";
}
