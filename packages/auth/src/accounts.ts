/**
 * The accounts of a BioXen:
 *
 * | account | users | holds |
 * |---|---|---|
 * | `LOG` | the provisioner | all streams and buckets |
 * | `FEED` | the provisioner of the mirrors | mirrors of the event log and of the feed of tenants, on which agents and principals have their consumers |
 * | `S-<service>` | one service | its endpoints |
 * | `A-<agent>` | one agent | its endpoints |
 * | `P-<name>` | one principal | nothing |
 * | `GATEWAY` | the gateway | nothing |
 * | `SYS` | the operator of the server | the server's own API |
 *
 * No service is a user of the account with the streams. A user of that account could store an event of any kind: the
 * server publishes answers with its own rights on whatever reply subject a request names. An import replaces the reply
 * subject by one of the server. For the same reason every service has an account of its own.
 */
import { CORE_SERVICES, GATEWAY, type ServiceName, serviceAccount } from "@bioxen/contracts";
import { Account, type AccountLimits, type User } from "./account.ts";
import type { KeyRing } from "./key-ring.ts";

/**
 * Limits of a principal: enough for a command line, a console and some programs at the same time. A subscription is a
 * wildcard or an inbox, so few are needed. The payload is the server's default of 1 MiB, which the contract's largest
 * request needs half of.
 */
const PRINCIPAL_LIMITS: AccountLimits = {
  maxConnections: 64,
  maxSubscriptions: 2_048,
  maxPayloadBytes: 1_048_576,
};
/** Limits of an agent, and of the gateway: its own connections, twice while a successor takes over. */
const AGENT_LIMITS: AccountLimits = {
  maxConnections: 32,
  maxSubscriptions: 2_048,
  maxPayloadBytes: 1_048_576,
};

/** Name of the account that holds the streams. */
export const LOG_ACCOUNT = "LOG";
/** The streams of BioXen with room for new ones, and a consumer for every service, job lane and long read. */
const LOG_STORAGE = { maxStreams: 32, maxConsumers: 1_024 };
/** The mirrors, and the consumers of agents and principals. */
const FEED_STORAGE = { maxStreams: 2, maxConsumers: 4_096 };

export interface AgentAccount {
  readonly agentId: string;
  readonly account: Account;
}

export interface PrincipalAccount {
  readonly principal: KeyRing["principals"][number];
  readonly account: Account;
}

/** The accounts of a BioXen, still without imports. */
export interface Accounts {
  readonly log: Account;
  readonly feed: Account;
  readonly system: Account;
  readonly services: ReadonlyMap<ServiceName, Account>;
  readonly agents: readonly AgentAccount[];
  readonly principals: readonly PrincipalAccount[];
  /** Undefined without a gateway. */
  readonly gateway: Account | undefined;
}

function byKey(name: string, publicKey: string): User {
  return { name, login: { publicKey } };
}

export function emptyAccounts(ring: KeyRing): Accounts {
  const log = new Account({ name: LOG_ACCOUNT, storage: LOG_STORAGE });
  log.users.push(byKey("provisioner", ring.provisioner));
  const feed = new Account({ name: "FEED", storage: FEED_STORAGE });
  feed.users.push(byKey("feed", ring.feed));
  const system = new Account({ name: "SYS" });
  system.users.push(byKey("system", ring.system));
  const services = new Map(
    CORE_SERVICES.map((service) => {
      const account = new Account({ name: serviceAccount(service) });
      account.users.push(byKey(service, ring.services[service] ?? ""));
      const other = ring.otherServices?.[service];
      if (other !== undefined) account.users.push(byKey(service, other));
      return [service, account] as const;
    }),
  );
  const agents = Object.entries(ring.agents)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([agentId, publicKey]) => {
      const account = new Account({ name: agentAccount(agentId), limits: AGENT_LIMITS });
      account.users.push(byKey(agentId, publicKey));
      const other = ring.otherAgents?.[agentId];
      if (other !== undefined) account.users.push(byKey(agentId, other));
      return { agentId, account };
    });
  const principals = [...ring.principals]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map((principal) => ({ principal, account: principalAccount(principal) }));
  const gateway = ring.gateway === undefined ? undefined : gatewayAccount(ring.gateway, ring.otherGateway);
  return { log, feed, system, services, agents, principals, gateway };
}

/** Name of the account of the gateway. It is none of a service: a service would be believed on public subjects. */
export const GATEWAY_ACCOUNT = "GATEWAY";

function gatewayAccount(publicKey: string, other: string | undefined): Account {
  const account = new Account({ name: GATEWAY_ACCOUNT, limits: AGENT_LIMITS });
  account.users.push(byKey(GATEWAY, publicKey));
  if (other !== undefined) account.users.push(byKey(GATEWAY, other));
  return account;
}

/** Name of the account of an agent. */
export function agentAccount(agentId: string): string {
  return `A-${agentId}`;
}

function principalAccount({ name, publicKey, password }: KeyRing["principals"][number]): Account {
  const account = new Account({ name: `P-${name}`, limits: PRINCIPAL_LIMITS });
  account.users.push({ ...byKey(name, publicKey), webSocket: true });
  if (password !== undefined) account.users.push({ name, login: { user: name, password }, webSocket: true });
  return account;
}
