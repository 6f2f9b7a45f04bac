/**
 * Failures outside of this process, and bugs inside of it.
 *
 * A refusal is a value (see rejection.ts). A `Fault` is a failure outside: a server is unreachable, or a deadline has
 * passed. A fault says whether a retry can help. A broken invariant is a bug: the process exits, and its restart
 * replays the log.
 */
export type FaultCode =
  | "UNAVAILABLE"
  | "TIMEOUT"
  | "CONFLICT"
  | "CORRUPT_EVENT"
  | "BAD_REQUEST"
  | "TOO_LARGE"
  | "INTERNAL";

export class Fault extends Error {
  readonly code: FaultCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: FaultCode,
    message: string,
    options: { retryable: boolean; cause?: unknown; details?: Readonly<Record<string, unknown>> },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Fault";
    this.code = code;
    this.retryable = options.retryable;
    this.details = options.details ?? {};
  }
}

export class InvariantViolation extends Error {
  readonly context: unknown;
  constructor(message: string, context: unknown) {
    super(`invariant broken: ${message}`);
    this.name = "InvariantViolation";
    this.context = context;
  }
}

/**
 * Throws {@link InvariantViolation} when `holds` is false. Use it only to detect bugs of this process, never for a
 * caller's invalid input.
 */
export function invariant(holds: boolean, message: string, context?: unknown): asserts holds {
  if (!holds) throw new InvariantViolation(message, context);
}

/** Returns the message of any thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
