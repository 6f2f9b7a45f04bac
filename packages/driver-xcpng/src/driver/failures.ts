/**
 * Converts errors of XAPI to errors of the driver port, whose codes distinguish three cases: the operation can be
 * retried, capacity is missing, or the failure is permanent.
 */
import { messageOf } from "@bioxen/kernel";
import { DriverError, type DriverErrorCode } from "@bioxen/vm-driver";
import { XapiError, XapiUnreachable } from "../xapi/errors.ts";
import { SUFFICIENT_ROLE } from "./permissions.ts";

interface Meaning {
  readonly code: DriverErrorCode;
  readonly why: string;
}

const MEANING: Readonly<Record<string, Meaning>> = {
  HOST_NOT_ENOUGH_FREE_MEMORY: {
    code: "CAPACITY_EXCEEDED",
    why: "no host of the pool has enough free memory",
  },
  NO_HOSTS_AVAILABLE: { code: "CAPACITY_EXCEEDED", why: "no host of the pool can run it now" },
  SR_FULL: { code: "CAPACITY_EXCEEDED", why: "the storage is full" },
  INVALID_VALUE: { code: "BAD_REQUEST", why: "the pool rejects a value" },
  MEMORY_CONSTRAINT_VIOLATION: { code: "BAD_REQUEST", why: "the pool rejects its memory limits" },
  MEMORY_CONSTRAINT_VIOLATION_ORDER: { code: "BAD_REQUEST", why: "the pool rejects its memory limits" },
  VM_IS_TEMPLATE: { code: "BAD_REQUEST", why: "it is a template" },
  VM_IS_SNAPSHOT: { code: "BAD_REQUEST", why: "it is a snapshot" },
  VM_LACKS_FEATURE: {
    code: "UNSUPPORTED",
    why: "the guest tools (xe-guest-utilities) are missing in the machine",
  },
  VM_MISSING_PV_DRIVERS: {
    code: "UNSUPPORTED",
    why: "the guest tools (xe-guest-utilities) are missing in the machine",
  },
  LICENCE_RESTRICTION: { code: "UNSUPPORTED", why: "the pool's licence does not include the operation" },
  OPERATION_NOT_ALLOWED: { code: "UNSUPPORTED", why: "the pool does not allow the operation" },
  OPERATION_BLOCKED: { code: "UNSUPPORTED", why: "an administrator of the pool has blocked the operation" },
  RBAC_PERMISSION_DENIED: {
    code: "UNSUPPORTED",
    why: `the pool's user has no permission: give it the role ${SUFFICIENT_ROLE}`,
  },
};

/**
 * Converts an error of a call to the pool to a `DriverError` whose message starts with `what`, the name of the
 * operation. Errors that do not come from the pool are returned unchanged.
 */
export function asDriverError(thrown: unknown, what: string): unknown {
  if (thrown instanceof XapiUnreachable) {
    return new DriverError("UNAVAILABLE", `${what}: ${thrown.message}`, { cause: thrown });
  }
  if (!(thrown instanceof XapiError)) return thrown;
  const details = { xapiCode: thrown.code, xapiParams: thrown.params };
  const isStorage = thrown.code.startsWith("SR_BACKEND_FAILURE");
  const storage: Meaning = { code: "CAPACITY_EXCEEDED", why: "the storage failed" };
  const meaning = isStorage ? storage : MEANING[thrown.code];
  // An error with any other code is retryable, because its cause can pass: a state changes, an operation ends, a host
  // returns.
  const why = meaning?.why ?? "the pool is not ready for the operation";
  return new DriverError(meaning?.code ?? "UNAVAILABLE", `${what}: ${why} (${thrown.message})`, {
    cause: thrown,
    details,
  });
}

/**
 * Returns an error text that says why the pool at `url` cannot be used. For rejected credentials it adds the remedy.
 */
export function explainAccess(thrown: unknown, url: string): string {
  if (thrown instanceof XapiError && thrown.code === "SESSION_AUTHENTICATION_FAILED") {
    return `${url} rejects this user name and password: check the agent's credentials (environment or file). Use the pool's root, or a user with the role ${SUFFICIENT_ROLE}`;
  }
  return `${url}: ${messageOf(thrown)}`;
}
