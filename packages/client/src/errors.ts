/**
 * A refusal, as an error with the contract's code.
 */
import { type ErrorCode, isErrorCode } from "@bioxen/contracts";
import { Fault, type ReplyError } from "@bioxen/kernel";

export class BioxenError extends Error {
  /** One of the contract's codes. */
  readonly code: ErrorCode;
  /** True when the same call can succeed later without being changed. */
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
 * `event-unreadable`: bytes that are no event this version knows; `log-replaced`: the log ends before what was seen, or holds
 * something else there; `log-away`: there is a server and for 30 s no log.
 */
export type WatchEndReason = "event-unreadable" | "log-replaced" | "log-away";

/** Why a watch of events ended by itself: what comes next cannot be given. */
export class WatchError extends BioxenError {
  readonly reason: WatchEndReason;
  /** Everything wanted up to here was given; `from: lastSeq + 1` goes on, where that is possible. */
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

/** A fault of the way there, as the error a caller sees; anything else as it is. */
export function asBioxenError(thrown: unknown): unknown {
  if (!(thrown instanceof Fault)) return thrown;
  const { code, message, retryable, details } = thrown;
  const known = code === "TIMEOUT" ? "UNAVAILABLE" : code;
  return new BioxenError({ code: known, message, retryable, details }, { cause: thrown });
}
