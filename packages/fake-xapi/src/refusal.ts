/**
 * Every error code that the fake uses. A test compares each with XAPI's own list, because the constants in XAPI's
 * source are spelt differently from the codes on the wire.
 */
export const FAKE_CODES = [
  "EVENTS_LOST",
  "EVENT_FROM_TOKEN_PARSE_FAILURE",
  "EVENT_SUBSCRIPTION_PARSE_FAILURE",
  "FIELD_TYPE_ERROR",
  "HANDLE_INVALID",
  "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN",
  "HOST_IS_SLAVE",
  "HOST_NOT_ENOUGH_FREE_MEMORY",
  "HOST_NOT_ENOUGH_PCPUS",
  "HOST_OFFLINE",
  "HOST_STILL_BOOTING",
  "INTERNAL_ERROR",
  "INVALID_VALUE",
  "MAP_DUPLICATE_KEY",
  "MEMORY_CONSTRAINT_VIOLATION_ORDER",
  "MESSAGE_METHOD_UNKNOWN",
  "MESSAGE_PARAMETER_COUNT_MISMATCH",
  "NO_HOSTS_AVAILABLE",
  "OPERATION_BLOCKED",
  "OPERATION_NOT_ALLOWED",
  "OTHER_OPERATION_IN_PROGRESS",
  "PROVISION_ONLY_ALLOWED_ON_TEMPLATE",
  "RBAC_PERMISSION_DENIED",
  "REVERT_ONLY_ALLOWED_ON_SNAPSHOT",
  "SESSION_AUTHENTICATION_FAILED",
  "SESSION_INVALID",
  "SR_FULL",
  "TASK_CANCELLED",
  "UUID_INVALID",
  "VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE",
  "VDI_IN_USE",
  "VM_BAD_POWER_STATE",
  "VM_CANNOT_DELETE_DEFAULT_TEMPLATE",
  "VM_IS_SNAPSHOT",
  "VM_IS_TEMPLATE",
  "VM_LACKS_FEATURE",
  "VM_NO_SUSPEND_SR",
  "VM_REVERT_FAILED",
] as const;
/** An error of a storage driver has the driver's own number. */
export type FakeCode = (typeof FAKE_CODES)[number] | `SR_BACKEND_FAILURE_${number}`;

/** The error with which the fake pool refuses a call: one of XAPI's error codes and the parameters of that code. */
export class Refusal extends Error {
  readonly code: string;
  readonly params: readonly string[];

  constructor(code: FakeCode, ...params: readonly string[]) {
    super(code);
    this.code = code;
    this.params = params;
  }

  /** Returns `[code, …params]`, the form of an error in JSON-RPC 1.0, in XML-RPC and in a failed task. */
  list(): string[] {
    return [this.code, ...this.params];
  }
}
