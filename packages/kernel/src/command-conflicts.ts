/**
 * The two conflicts that follow from what a caller sent with its command: an expected version that the aggregate does
 * not have, and a message id that an earlier command with another payload has used.
 *
 * Neither is retryable: the same command would get the same answer again. The caller first reads the aggregate and
 * decides again, or chooses a new message id.
 */
import type { Rejection } from "./rejection.ts";

interface Conflict {
  readonly ok: false;
  readonly rejection: Rejection<"CONFLICT">;
}

/** Returns the conflict of a command that expects a version other than `actual`; undefined when there is none. */
export function versionConflict(
  name: string,
  expected: number | undefined,
  actual: number,
): Conflict | undefined {
  if (expected === undefined || expected === actual) return undefined;
  const message = `${name} has version ${actual}, not the expected ${expected}: read it again before you change it`;
  const details = { expected, actual };
  return { ok: false, rejection: { code: "CONFLICT", message, retryable: false, details } };
}

export const OTHER_PAYLOAD: Conflict = {
  ok: false,
  rejection: {
    code: "CONFLICT",
    message:
      "the Nats-Msg-Id was used for another payload on this subject: send this command under an id of its own",
    retryable: false,
  },
};

/**
 * Returns the conflict of a command whose message id belongs to a command with another payload; undefined when there is
 * none. A digest is absent in events and records of earlier releases, which then fit every payload.
 */
export function payloadConflict(first: string | undefined, digest: string | undefined): Conflict | undefined {
  return first === undefined || digest === undefined || first === digest ? undefined : OTHER_PAYLOAD;
}
