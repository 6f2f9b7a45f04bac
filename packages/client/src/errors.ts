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

/** A fault of the way there, as the error a caller sees; anything else as it is. */
export function asBioxenError(thrown: unknown): unknown {
  if (!(thrown instanceof Fault)) return thrown;
  const { code, message, retryable, details } = thrown;
  const known = code === "TIMEOUT" ? "UNAVAILABLE" : code;
  return new BioxenError({ code: known, message, retryable, details }, { cause: thrown });
}
