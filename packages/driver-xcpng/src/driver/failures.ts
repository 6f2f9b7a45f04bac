/**
 * Converts errors of XAPI to errors of the driver port, whose codes distinguish three cases: the operation can be
 * retried, capacity is missing, or the failure is permanent.
 */
import { messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import { XapiError, XapiUnreachable } from "../xapi/errors.ts";
import { SUFFICIENT_ROLE } from "./permissions.ts";
import { refusalMeaning } from "./refusal-table.ts";

/**
 * Converts an error of a call to the pool to a `DriverError` whose message starts with `what`, the name of the
 * operation, and ends with the remedy. Errors that do not come from the pool are returned unchanged.
 */
export function asDriverError(thrown: unknown, what: string): unknown {
  if (thrown instanceof XapiUnreachable) {
    return new DriverError("UNAVAILABLE", `${what}: ${thrown.message}`, { cause: thrown });
  }
  if (!(thrown instanceof XapiError)) return thrown;
  const { class: kind, code, why, remedy } = refusalMeaning(thrown.code);
  return new DriverError(code, `${what}: ${why} (${thrown.message}). ${remedy}`, {
    cause: thrown,
    details: { xapiCode: thrown.code, xapiParams: thrown.params },
    ...(kind === "connection" ? {} : { hostCode: thrown.code }),
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

/** Resolves with the result of `work`; rejects with its failure as an error of the port. `doing` names the work. */
export async function orDriverError<T>(work: Promise<T>, doing: string): Promise<T> {
  return work.catch((thrown: unknown) => {
    throw asDriverError(thrown, doing);
  });
}
