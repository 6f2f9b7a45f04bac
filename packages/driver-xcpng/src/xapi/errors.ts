/**
 * The two errors of a XAPI call: the pool rejected it (`XapiError`, with XAPI's code), or the pool gave no valid answer
 * (`XapiUnreachable`). Neither contains an argument of the call, because an argument may be a password.
 */

/** Codes that the driver handles individually. A test compares them with XAPI's list of codes. */
export const KNOWN_CODES = [
  "SESSION_INVALID",
  "SESSION_AUTHENTICATION_FAILED",
  "HOST_IS_SLAVE",
  "HANDLE_INVALID",
  "UUID_INVALID",
  "EVENTS_LOST",
  "EVENT_FROM_TOKEN_PARSE_FAILURE",
  "VM_BAD_POWER_STATE",
  "VM_LACKS_FEATURE",
  "VM_MISSING_PV_DRIVERS",
  "VM_NO_SUSPEND_SR",
  "VM_SHUTDOWN_TIMEOUT",
  "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT",
  "OTHER_OPERATION_IN_PROGRESS",
  "HOST_STILL_BOOTING",
  "HOST_OFFLINE",
  "HOST_NOT_LIVE",
  "HOST_NOT_ENOUGH_FREE_MEMORY",
  "NO_HOSTS_AVAILABLE",
  "SR_FULL",
  "MEMORY_CONSTRAINT_VIOLATION",
  "MEMORY_CONSTRAINT_VIOLATION_ORDER",
  "INVALID_VALUE",
  "MAP_DUPLICATE_KEY",
  "VM_IS_TEMPLATE",
  "VM_IS_SNAPSHOT",
  "OPERATION_NOT_ALLOWED",
  "OPERATION_BLOCKED",
  "LICENCE_RESTRICTION",
  "VDI_IN_USE",
  "TASK_CANCELLED",
  "RBAC_PERMISSION_DENIED",
  "TOO_BUSY",
] as const;
export type KnownCode = (typeof KNOWN_CODES)[number];

/**
 * Other spellings of codes. XAPI's source names the constant LICENSE_RESTRICTION and puts LICENCE_RESTRICTION on the
 * wire; other clients have met servers with either spelling.
 */
const OTHER_SPELLING: Readonly<Record<string, KnownCode>> = { LICENSE_RESTRICTION: "LICENCE_RESTRICTION" };

export class XapiError extends Error {
  readonly code: string;
  /** Parameters of the code, in XAPI's order: references, amounts, states. */
  readonly params: readonly string[];

  constructor(code: string, params: readonly string[], method: string) {
    const known = OTHER_SPELLING[code] ?? code;
    super(`${method}: ${known}${params.length === 0 ? "" : ` (${params.join(", ")})`}`);
    this.name = "XapiError";
    this.code = known;
    this.params = params;
  }
}

/**
 * Why there is no valid answer: a deadline passed, the connection failed, the certificate is not trusted, the answer is
 * malformed, or the client gave up.
 */
export type UnreachableKind = "timeout" | "connection" | "trust" | "protocol" | "closed";

export class XapiUnreachable extends Error {
  readonly kind: UnreachableKind;

  constructor(kind: UnreachableKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "XapiUnreachable";
    this.kind = kind;
  }
}

/** Returns whether `thrown` is a rejection by XAPI with one of these codes. */
export function hasCode(thrown: unknown, ...codes: readonly KnownCode[]): thrown is XapiError {
  return thrown instanceof XapiError && codes.some((code) => code === thrown.code);
}

/**
 * Returns the error in a reply; undefined for a success. Reads JSON-RPC 2.0 (`{code, message, data}`), JSON-RPC 1.0
 * (`[code, …params]`), and the XML-RPC struct (`{Status, ErrorDescription}`) that some servers put into JSON.
 */
export function refusalIn(reply: Readonly<Record<string, unknown>>, method: string): XapiError | undefined {
  const { error, result } = reply;
  if (Array.isArray(error)) return fromList(error, method);
  if (typeof error === "object" && error !== null) {
    const { message, data } = error as { message?: unknown; data?: unknown };
    const params = Array.isArray(data) ? data : data === undefined || data === null ? [] : [data];
    return fromList([message ?? "INTERNAL_ERROR", ...params], method);
  }
  if (typeof error === "string" && error !== "") return fromList([error], method);
  const struct = result as { Status?: unknown; ErrorDescription?: unknown } | null | undefined;
  if (typeof struct === "object" && struct?.Status === "Failure" && Array.isArray(struct.ErrorDescription)) {
    return fromList(struct.ErrorDescription, method);
  }
  return undefined;
}

/** Builds the error from `[code, …params]`, the form of JSON-RPC 1.0 and of a failed task. */
export function fromList(list: readonly unknown[], method: string): XapiError {
  const [code = "INTERNAL_ERROR", ...params] = list.map(String);
  return new XapiError(code, params, method);
}
