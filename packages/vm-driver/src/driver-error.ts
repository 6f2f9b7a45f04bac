/**
 * The one error a driver rejects with. Its codes are the driver's; the agent maps them to the contract's where they differ
 * (`STALE_FENCE`, `GUEST_NOT_FOUND` and `INVALID_STATE` are between agent and driver and never reach a caller as they are).
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
  /** The host itself has no room, whatever the ledger says. */
  "CAPACITY_EXCEEDED",
  "UNAVAILABLE",
] as const;

export type DriverErrorCode = (typeof DRIVER_ERROR_CODES)[number];

export interface DriverErrorOptions {
  /** Default: true for `UNAVAILABLE`, false for every other code. */
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class DriverError extends Error {
  readonly code: DriverErrorCode;
  /** True when the same call can succeed later without being changed. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: DriverErrorCode, message: string, options: DriverErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "DriverError";
    this.code = code;
    this.retryable = options.retryable ?? code === "UNAVAILABLE";
    this.details = options.details ?? {};
  }
}

/** The code of a thrown {@link DriverError}, or undefined of anything else. */
export function driverErrorCode(thrown: unknown): DriverErrorCode | undefined {
  return thrown instanceof DriverError ? thrown.code : undefined;
}
