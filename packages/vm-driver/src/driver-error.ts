/**
 * The only error with which a driver rejects. The agent translates its codes into those of the contract. `STALE_FENCE`,
 * `GUEST_NOT_FOUND` and `INVALID_STATE` exist only between agent and driver, and never reach a caller.
 */
export const DRIVER_ERROR_CODES = [
  "GUEST_ERROR",
  "GUEST_TIMEOUT",
  "GUEST_OUT_OF_MEMORY",
  "UNSUPPORTED",
  "STALE_FENCE",
  "GUEST_NOT_FOUND",
  "INVALID_STATE",
  "BAD_REQUEST",
  "TOO_LARGE",
  /** The host has too few resources, although the ledger has reserved them. */
  "CAPACITY_EXCEEDED",
  "UNAVAILABLE",
] as const;

export type DriverErrorCode = (typeof DRIVER_ERROR_CODES)[number];

export interface DriverErrorOptions {
  /** Whether the call may be retried. Default: true for `UNAVAILABLE`, false for every other code. */
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  /**
   * The host's own code for its refusal. Present only when the host answered and refused: such a call is repeated a
   * limited number of times, but a host that does not answer is called again without a limit.
   */
  readonly hostCode?: string;
  readonly cause?: unknown;
}

export class DriverError extends Error {
  readonly code: DriverErrorCode;
  /** Whether the same call, unchanged, can succeed later. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  /** The host's own code for its refusal; undefined when the host did not refuse, but failed to answer. */
  readonly hostCode: string | undefined;

  constructor(code: DriverErrorCode, message: string, options: DriverErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "DriverError";
    this.code = code;
    this.retryable = options.retryable ?? code === "UNAVAILABLE";
    this.details = options.details ?? {};
    this.hostCode = options.hostCode;
  }
}

/** Returns the code of a thrown {@link DriverError}, or undefined for any other value. */
export function driverErrorCode(thrown: unknown): DriverErrorCode | undefined {
  return thrown instanceof DriverError ? thrown.code : undefined;
}
