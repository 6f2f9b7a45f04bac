/**
 * What the pool's user must be allowed to do, and which of it a session may not do.
 *
 * XAPI gives each session the list of its permissions, which are the names of methods in lower case. The session of a
 * local superuser (`root`) has every permission and an empty list (xapi-project/xen-api, rbac.ml,
 * `find_first_disallowed_permission`).
 */
import type { XapiClient } from "../xapi/client.ts";
import { METHODS, type MethodName, roleFor } from "../xapi/methods.ts";
import { type Role, strongerRole } from "../xapi/roles.ts";

const ALL_METHODS = Object.keys(METHODS) as MethodName[];

/** The weakest role whose users may call every method of the driver. */
export const SUFFICIENT_ROLE: Role = ALL_METHODS.map(roleFor).reduce(strongerRole);

/**
 * Resolves with the methods of the driver that the session of this client may not call, sorted by name; empty when it
 * may call all of them. Methods that every role may call are not compared. Rejects with the pool's errors.
 */
async function missingPermissions(client: XapiClient): Promise<readonly MethodName[]> {
  const session = await client.session();
  if (await client.call("session.get_is_local_superuser", [session])) return [];
  const given = new Set(await client.call("session.get_rbac_permissions", [session]));
  const needed = ALL_METHODS.filter((method) => roleFor(method) !== "read-only");
  return needed.filter((method) => !given.has(method.toLowerCase())).sort();
}

/**
 * Resolves with a text that names the methods that the session may not call, and the remedy; undefined when it may call
 * all of them.
 */
export async function permissionProblem(client: XapiClient, url: string): Promise<string | undefined> {
  const missing = await missingPermissions(client);
  if (missing.length === 0) return undefined;
  return `the user of ${url} may not call ${missing.join(", ")}: give it the role ${SUFFICIENT_ROLE}, then start again`;
}
