/**
 * Who calls: the identity of the caller of a request or job, from the subject under which it arrived.
 *
 * On a server with keys, the server writes role and principal into the subject (`mappedSubject` of the contracts), so
 * the subject is true. A request on a public subject comes from another service then, because the server lets only
 * services publish there. The server says from which account it comes, and each service has an account of its own. Only
 * such a request may say in a header for which principal the service acts.
 * On an open stack anyone can publish anything: every caller is anonymous, and both headers are ignored.
 */
import {
  ANONYMOUS,
  type Identity,
  type IdentityMode,
  isMapped,
  mappedParts,
  serviceOfAccount,
} from "@bioxen/contracts";
import { isId } from "@bioxen/kernel";
import { NO_REQUEST_HEADERS, type ReadHeaders } from "./request-headers.ts";

/** The caller of a request. */
export interface KnownCaller {
  readonly identity: Identity;
  /** The principal for which a service acts; undefined when it is unknown, and for all other callers. */
  readonly servedPrincipal?: string | undefined;
}

/** The name of a service of which the server says no account, as when several services are users of one account. */
const UNKNOWN_SERVICE = "unknown";
/** Principals as events name them: an id, or an agent's id after its kind. */
const SERVED = /^(?:agent:)?([^:]+)$/;

/** Returns the caller of a request that arrived under `subject`; undefined for a subject that names no valid caller. */
export function callerOf(
  mode: IdentityMode,
  subject: string,
  headers: () => ReadHeaders,
): KnownCaller | undefined {
  if (mode === "open") return { identity: ANONYMOUS };
  if (isMapped(subject)) {
    const parts = mappedParts(subject);
    return parts && { identity: parts.identity };
  }
  const read = headers();
  const { account = "", servedPrincipal } = read.ok ? read.headers : NO_REQUEST_HEADERS;
  const name = serviceOfAccount(account) ?? UNKNOWN_SERVICE;
  const [, served] = SERVED.exec(servedPrincipal ?? "") ?? [];
  const isServed = served !== undefined && isId(served);
  return { identity: { role: "service", name }, ...(isServed ? { servedPrincipal } : {}) };
}

/**
 * Returns the caller that stored a job under `subject`. A job on the public subject is from an open stack, also when the
 * stack has keys now.
 */
export function publisherOf(mode: IdentityMode, subject: string): KnownCaller {
  const parts = mode === "open" ? undefined : mappedParts(subject);
  return { identity: parts?.identity ?? ANONYMOUS };
}
