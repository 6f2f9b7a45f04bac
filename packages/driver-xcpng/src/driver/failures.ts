/**
 * What a pool's refusal means to whoever asked the driver: try again, no room, or never so.
 */
import { messageOf } from "@bioxen/kernel";
import { DriverError, type DriverErrorCode } from "@bioxen/vm-driver";
import { XapiError, XapiUnreachable } from "../xapi/errors.ts";

interface Meaning {
  readonly code: DriverErrorCode;
  readonly why: string;
}

const MEANING: Readonly<Record<string, Meaning>> = {
  HOST_NOT_ENOUGH_FREE_MEMORY: { code: "CAPACITY_EXCEEDED", why: "no host of the pool has the memory free" },
  NO_HOSTS_AVAILABLE: { code: "CAPACITY_EXCEEDED", why: "no host of the pool can run it now" },
  SR_FULL: { code: "CAPACITY_EXCEEDED", why: "the storage is full" },
  INVALID_VALUE: { code: "BAD_REQUEST", why: "the pool does not take a value" },
  MEMORY_CONSTRAINT_VIOLATION: { code: "BAD_REQUEST", why: "the pool does not take its memory limits" },
  MEMORY_CONSTRAINT_VIOLATION_ORDER: { code: "BAD_REQUEST", why: "the pool does not take its memory limits" },
  VM_IS_TEMPLATE: { code: "BAD_REQUEST", why: "it is a template" },
  VM_IS_SNAPSHOT: { code: "BAD_REQUEST", why: "it is a snapshot" },
  VM_LACKS_FEATURE: { code: "UNSUPPORTED", why: "the guest lacks the tools for it" },
  VM_MISSING_PV_DRIVERS: { code: "UNSUPPORTED", why: "the guest lacks the tools for it" },
  LICENCE_RESTRICTION: { code: "UNSUPPORTED", why: "the pool's licence does not include it" },
  OPERATION_NOT_ALLOWED: { code: "UNSUPPORTED", why: "the pool does not allow it" },
  OPERATION_BLOCKED: { code: "UNSUPPORTED", why: "an administrator of the pool has blocked it" },
  RBAC_PERMISSION_DENIED: {
    code: "UNSUPPORTED",
    why: "the pool's user may not do it: give it the role vm-admin",
  },
};

/** Of anything thrown by a call; a bug stays what it is. */
export function asDriverError(thrown: unknown, what: string): unknown {
  if (thrown instanceof XapiUnreachable) {
    return new DriverError("UNAVAILABLE", `${what}: ${thrown.message}`, { cause: thrown });
  }
  if (!(thrown instanceof XapiError)) return thrown;
  const details = { xapiCode: thrown.code, xapiParams: thrown.params };
  const isStorage = thrown.code.startsWith("SR_BACKEND_FAILURE");
  const storage: Meaning = { code: "CAPACITY_EXCEEDED", why: "the storage failed" };
  const meaning = isStorage ? storage : MEANING[thrown.code];
  // What is not known to be final is looked at again: states move, operations end, hosts come back.
  const why = meaning?.why ?? "the pool is not ready for it";
  return new DriverError(meaning?.code ?? "UNAVAILABLE", `${what}: ${why} (${thrown.message})`, {
    cause: thrown,
    details,
  });
}

/** What is wrong with the way to the pool, and what to do about it. */
export function explainAccess(thrown: unknown, url: string): string {
  if (thrown instanceof XapiError && thrown.code === "SESSION_AUTHENTICATION_FAILED") {
    return `${url} does not know this user with this password: check the agent's credentials (environment or file); they are those of the pool's root, or of a user with the role vm-admin`;
  }
  return `${url}: ${messageOf(thrown)}`;
}
