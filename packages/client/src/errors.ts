/**
 * Refusals and faults as errors that carry the contract's code.
 */
import { type ErrorCode, isErrorCode } from "@bioxen/contracts";
import { Fault, type ReplyError } from "@bioxen/kernel";

export class BioxenError extends Error {
  /** One of the contract's codes; INTERNAL for a code that this version does not know. */
  readonly code: ErrorCode;
  /** True when the same call can succeed later. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(error: ReplyError, options: { cause?: unknown } = {}) {
    super(`${error.code}: ${error.message}`, options);
    this.name = "BioxenError";
    this.code = isErrorCode(error.code) ? error.code : "INTERNAL";
    this.retryable = error.retryable;
    this.details = error.details ?? {};
  }
}

/**
 * Why a watch ended by itself:
 * - `event-unreadable`: the next message is not an event of a type that this version knows.
 * - `log-replaced`: the log ends before the last event that the watch saw, or has another event at that sequence.
 * - `log-away`: the client is connected to the server, but the log has been unreadable for 30 s.
 */
export type WatchEndReason = "event-unreadable" | "log-replaced" | "log-away";

/** The error that ends a watch when it cannot deliver the next event. */
export class WatchError extends BioxenError {
  readonly reason: WatchEndReason;
  /** Every event up to this sequence was delivered. A new watch may resume with `from: lastSeq + 1`. */
  readonly lastSeq: number;

  constructor(reason: WatchEndReason, message: string, lastSeq: number, cause?: unknown) {
    const retryable = reason === "log-away";
    const code = retryable ? "UNAVAILABLE" : "INTERNAL";
    super(
      {
        code,
        message: `${message}; the last event seen is ${lastSeq}`,
        retryable,
        details: { reason, lastSeq },
      },
      { cause },
    );
    this.name = "WatchError";
    this.reason = reason;
    this.lastSeq = lastSeq;
  }
}

/**
 * Converts a `Fault` into a {@link BioxenError}; the code TIMEOUT becomes UNAVAILABLE. Returns anything else unchanged.
 */
export function asBioxenError(thrown: unknown): unknown {
  if (!(thrown instanceof Fault)) return thrown;
  const { code, message, retryable, details } = thrown;
  const known = code === "TIMEOUT" ? "UNAVAILABLE" : code;
  return new BioxenError({ code: known, message, retryable, details }, { cause: thrown });
}
