/**
 * Identities, and the subjects that carry them.
 *
 * On a server with keys, each principal publishes to the public subjects. The server imports them into the account of
 * the services under a mapped subject, which names role and principal:
 *
 * | caller | public subject | subject at the services |
 * |---|---|---|
 * | principal `alice`, role `tenant` | `bioxen.cmd.vm.create` | `bioxen.as.tenant.alice.cmd.vm.create` |
 * | agent `local` | `bioxen.cmd.vm.report` | `bioxen.from.local.cmd.vm.report` |
 * | the gateway, for `alice` | none | `bioxen.as.gateway-tenant.alice.cmd.vm.create` |
 * | another service | `bioxen.cmd.ledger.reserve` | `bioxen.cmd.ledger.reserve` |
 *
 * Only the server can publish under a mapped subject, so a client cannot change its role or principal. The name of a
 * calling service is that of the account from which the request comes: the server writes the account into a header of
 * each request that crosses accounts, and replaces what the caller has written there. The functions of
 * this file are the only place that builds and parses mapped subjects; the generator of the server's configuration uses
 * them too.
 *
 * The setting {@link IDENTITIES_SETTING} of a service says which subjects it serves. With `mapped` it serves the mapped
 * subjects, and takes a request on a public subject for one of another service: the server must let only services
 * publish there. With `open`, the default, it serves the public subjects only, and every caller is `anonymous`.
 */
import { ID_SOURCE, invariant } from "@bioxen/kernel";

/** Environment variable of every service and agent: `mapped` on a server with keys, else `open`. */
export const IDENTITIES_SETTING = "BIOXEN_IDENTITIES";
export const IDENTITY_MODES = ["open", "mapped"] as const;
export type IdentityMode = (typeof IDENTITY_MODES)[number];

/** The roles of principals that an operator adds. What each role may call is in access.ts. */
export const PRINCIPAL_ROLES = ["admin", "operator", "observer", "tenant"] as const;
export type PrincipalRole = (typeof PRINCIPAL_ROLES)[number];

/** The role of a caller. `anonymous`: a caller of an open stack. */
export const ROLES = [...PRINCIPAL_ROLES, "agent", "service", "anonymous"] as const;
export type Role = (typeof ROLES)[number];

/** Names that no principal may have, because they name callers of another kind. The principal `admin` exists always. */
export const RESERVED_NAMES = ["service", "agent", "anonymous", "admin"] as const;

/** A caller as the server knows it. For an agent or a service, `name` is its id or name. */
export interface Identity {
  readonly role: Role;
  readonly name: string;
  /** The service that speaks in the name of a principal; absent for a caller that speaks itself. */
  readonly via?: typeof GATEWAY;
}

/** The service that speaks in the names of principals. The subjects under which it does have a role of their own. */
export const GATEWAY = "gateway";

/** The caller of an open stack. */
export const ANONYMOUS: Identity = { role: "anonymous", name: "anonymous" };

/** Returns the principal of a caller as events name it: `alice`, `agent:local`, `service:lifecycle` or `anonymous`. */
export function principalOf({ role, name }: Identity): string {
  return role === "agent" || role === "service" ? `${role}:${name}` : name;
}

/**
 * Returns the id of a cause without the name of the principal. The id of a principal's command begins with that name and
 * a slash, which keeps the message ids of principals apart; a subject has no slash.
 */
export function withoutPrincipal(causeId: string): string {
  return causeId.replace(/^[a-z0-9-]+\//, "");
}

/** Returns true for a principal that an operator added; false for agents, services and the callers of an open stack. */
export function isPrincipal({ role }: Identity): boolean {
  return (PRINCIPAL_ROLES as readonly string[]).includes(role);
}

const SERVICE_ACCOUNT = new RegExp(`^S-(${ID_SOURCE})$`);

/** Returns the name of the account of a service on a server with keys. */
export function serviceAccount(service: string): string {
  return `S-${service}`;
}

/** Returns the service with this account; undefined for every other account. */
export function serviceOfAccount(account: string): string | undefined {
  return SERVICE_ACCOUNT.exec(account)?.[1];
}

const PREFIX = "bioxen.";
const AS = "bioxen.as.";
const FROM = "bioxen.from.";
const PRINCIPAL_SUBJECT = new RegExp(
  `^bioxen\\.as\\.(${GATEWAY}-)?(${PRINCIPAL_ROLES.join("|")})\\.(${ID_SOURCE})\\.(.+)$`,
);
const AGENT_SUBJECT = new RegExp(`^bioxen\\.from\\.(${ID_SOURCE})\\.(.+)$`);
const NAME_OR_ANY = new RegExp(`^(?:\\*|${ID_SOURCE})$`);

/**
 * Returns the subject at the services for a public subject of a principal or an agent. `subject` may be a pattern such
 * as `bioxen.cmd.>`, and `name` may be `*`. The subjects of services and of anonymous callers are not mapped.
 */
export function mappedSubject({ role, name, via }: Identity, subject: string): string {
  invariant(subject.startsWith(PREFIX), "a public subject begins with bioxen.", { subject });
  if (role === "service" || role === "anonymous") return subject;
  invariant(NAME_OR_ANY.test(name), "the name of a principal is an id", { name });
  const rest = subject.slice(PREFIX.length);
  return role === "agent"
    ? `${FROM}${name}.${rest}`
    : `${AS}${via === undefined ? "" : `${via}-`}${role}.${name}.${rest}`;
}

/** Returns true for a subject that the server alone may publish to, valid or not. */
export function isMapped(subject: string): boolean {
  return subject.startsWith(AS) || subject.startsWith(FROM);
}

/** The parts of a mapped subject. */
export interface MappedParts {
  readonly identity: Identity;
  /** The public subject on which the caller published. */
  readonly subject: string;
}

/** Returns the caller and the public subject of a mapped subject; undefined for every other subject. */
export function mappedParts(mapped: string): MappedParts | undefined {
  const [, via, role, name, rest] = PRINCIPAL_SUBJECT.exec(mapped) ?? [];
  if (role !== undefined && name !== undefined && rest !== undefined) {
    const speaker = via === undefined ? {} : ({ via: GATEWAY } as const);
    return { identity: { role: role as PrincipalRole, name, ...speaker }, subject: PREFIX + rest };
  }
  const [, agent, tail] = AGENT_SUBJECT.exec(mapped) ?? [];
  if (agent === undefined || tail === undefined) return undefined;
  return { identity: { role: "agent", name: agent }, subject: PREFIX + tail };
}

/**
 * Returns the subjects on which a service serves the endpoint of `subject`. `byAgents`: agents call the endpoint too.
 */
export function servedSubjects(
  subject: string,
  mode: IdentityMode,
  byAgents: boolean,
): readonly [string, ...string[]] {
  if (mode === "open") return [subject];
  const byPrincipals = `${AS}*.*.${subject.slice(PREFIX.length)}`;
  return [subject, byPrincipals, ...(byAgents ? [mappedSubject({ role: "agent", name: "*" }, subject)] : [])];
}
