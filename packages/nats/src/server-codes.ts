/**
 * What JetStream's numbers mean to us (server/errors.json of nats-server).
 */
import { JetStreamApiError } from "@nats-io/jetstream";

/** A sequence or revision that is not the last: with the number of the last, and, in a cluster, without. */
const WRONG_LAST_SEQUENCE = new Set([10_071, 10_164]);
/**
 * Nothing is wrong with what was asked: the cluster is choosing a leader, or has the same message, or another of its subject, in its hands.
 * Not available, not the leader, stream offline, same message id in process, last sequence not known yet, too many requests.
 */
const NOT_NOW = new Set([10_008, 10_009, 10_118, 10_158, 10_163, 10_167]);

export function isWrongLastSequence(cause: unknown): boolean {
  return cause instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(cause.code);
}

/** Refused for good, not just for the moment: asking again gets the same. */
export function isRefusal(cause: unknown): boolean {
  return cause instanceof JetStreamApiError && !NOT_NOW.has(cause.code);
}

/** Nobody serves the stream: what was published is stored nowhere. The client calls that "not enabled". */
export function isLeaderless(cause: unknown): boolean {
  return cause instanceof Error && cause.name === "JetStreamNotEnabled";
}
