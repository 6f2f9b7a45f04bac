/**
 * A request that ends before any service sees it: the status of HTTP, and an error of the catalogue for the body.
 */
import { ERRORS, type ErrorCode, isErrorCode } from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";

export class HttpError extends Error {
  readonly status: number;
  readonly error: ReplyError;

  /** `status`: default that of the code. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { status?: number; details?: ReplyError["details"] } = {},
  ) {
    super(message);
    this.name = "HttpError";
    this.status = options.status ?? ERRORS[code].status;
    const retryable = code === "RATE_LIMITED" || code === "UNAVAILABLE";
    this.error = {
      code,
      message,
      retryable,
      ...(options.details === undefined ? {} : { details: options.details }),
    };
  }
}

/** The answer to a caller that the gateway does not know. */
export function unknownCaller(message: string): HttpError {
  return new HttpError("FORBIDDEN", message, { status: 401 });
}

/** Returns the status of HTTP for an error: that of the catalogue, and 500 for a code of a later release. */
export function statusOf({ code }: Pick<ReplyError, "code">): number {
  return isErrorCode(code) ? ERRORS[code].status : 500;
}
