/**
 * Error codes of JetStream, by the names of nats-server (`server/errors.json`), and what each means to an adapter.
 */
import { messageOf } from "@bioxen/kernel";
import { JetStreamApiError } from "@nats-io/jetstream";
import { NoRespondersError, RequestError } from "@nats-io/nats-core";

const CODES = {
  clusterNotAvailable: 10_008,
  clusterNotLeader: 10_009,
  noMessageFound: 10_037,
  consumerNameInUse: 10_013,
  consumerExists: 10_148,
  jetStreamNotEnabledForAccount: 10_039,
  streamMessageExceedsMaximum: 10_054,
  /** Another process has just created the stream with other settings, such as another cluster id. */
  streamNameExists: 10_058,
  streamNotFound: 10_059,
  streamWrongLastSequence: 10_071,
  streamOffline: 10_118,
  /** The server is still storing a message with the same id. */
  streamDuplicateMessageConflict: 10_158,
  /** The server cannot tell the last sequence of the subject while it stores another message of that subject. */
  streamExpectedLastSeqPerSubjectNotReady: 10_163,
  /** The form of `streamWrongLastSequence` that a cluster answers: without the number of the last sequence. */
  streamWrongLastSequenceConstant: 10_164,
  streamTooManyRequests: 10_167,
  /** The storage of the account is used up. */
  accountResourcesExceeded: 10_002,
  storageResourcesExceeded: 10_047,
  /** The store refused the message; the description says why. */
  streamStoreFailed: 10_077,
} as const;

const WRONG_LAST_SEQUENCE = [CODES.streamWrongLastSequence, CODES.streamWrongLastSequenceConstant];
/** Errors of valid requests: the cluster is electing a leader or is busy with another message. A retry can succeed. */
const TEMPORARY = [
  CODES.clusterNotAvailable,
  CODES.clusterNotLeader,
  CODES.streamNameExists,
  CODES.streamOffline,
  CODES.streamDuplicateMessageConflict,
  CODES.streamExpectedLastSeqPerSubjectNotReady,
  CODES.streamTooManyRequests,
];

function hasCode(cause: unknown, codes: readonly number[]): boolean {
  return cause instanceof JetStreamApiError && codes.includes(cause.code);
}

/** True when the server rejected an append because the expected sequence or revision is not the last one. */
export function isWrongLastSequence(cause: unknown): boolean {
  return hasCode(cause, WRONG_LAST_SEQUENCE);
}

export function isMessageNotFound(cause: unknown): boolean {
  return hasCode(cause, [CODES.noMessageFound]);
}

/** True when a consumer of this name exists, with other settings. */
export function isConsumerNameTaken(cause: unknown): boolean {
  return hasCode(cause, [CODES.consumerNameInUse, CODES.consumerExists]);
}

export function isStreamNotFound(cause: unknown): boolean {
  return hasCode(cause, [CODES.streamNotFound]);
}

/** True when the server rejected a message because it is larger than the stream accepts. */
export function isMessageTooLarge(cause: unknown): boolean {
  return hasCode(cause, [CODES.streamMessageExceedsMaximum]);
}

/** True when the server rejected a message because the stream, or the storage of its account, is full. */
export function isStreamFull(cause: unknown): boolean {
  if (hasCode(cause, [CODES.accountResourcesExceeded, CODES.storageResourcesExceeded])) return true;
  return hasCode(cause, [CODES.streamStoreFailed]) && /maximum .* exceeded/.test(messageOf(cause));
}

/** True when the server refuses the request and would refuse it again: a retry cannot help. */
export function isRefusal(cause: unknown): boolean {
  return cause instanceof JetStreamApiError && !hasCode(cause, TEMPORARY);
}

/**
 * True when the stream has no leader, so that the published message was not stored. The client names this error "not
 * enabled".
 */
export function isLeaderless(cause: unknown): boolean {
  return cause instanceof Error && cause.name === "JetStreamNotEnabled";
}

/** True when the server, or the account of this login, has no JetStream: no request to it can succeed. */
export function lacksJetStream(cause: unknown): boolean {
  return isLeaderless(cause) || hasCode(cause, [CODES.jetStreamNotEnabledForAccount]);
}

/** True when no server answers for the stream: it was deleted, or has no leader. Nothing was stored. */
export function isNoResponders(cause: unknown): boolean {
  if (isLeaderless(cause) || cause instanceof NoRespondersError) return true;
  return cause instanceof RequestError && cause.isNoResponders();
}

/**
 * True when the stream may be gone. A cluster without a leader can look the same: the stream is then found when it is
 * opened again.
 */
export function isGone(cause: unknown): boolean {
  return isNoResponders(cause) || isStreamNotFound(cause);
}
