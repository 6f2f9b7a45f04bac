/**
 * What the accounts of services and agents import: their requests to JetStream, the endpoints of each other, and
 * telemetry.
 */
import {
  AGENT_TELEMETRY,
  ARRIVING_FEED_INFO,
  ARRIVING_TENANT_JOBS,
  agentEndpoints,
  ENDPOINT_CALLERS,
  ENDPOINTS,
  type Endpoint,
  type EndpointName,
  FEED_SUBJECTS,
  FEED_WRITER,
  heardSubjects,
  isMapped,
  JOB_INTAKE,
  mappedSubject,
  SERVICE_NAMES,
  type ServiceName,
  servedSubjects,
  serviceAccess,
} from "@bioxen/contracts";
import { invariant } from "@bioxen/kernel";
import type { Account } from "./account.ts";
import type { Accounts, AgentAccount } from "./accounts.ts";
import { storageOf } from "./storage-access.ts";
import { DISCOVERY, hasManyAnswers } from "./stream-api.ts";
import { covers } from "./subject-patterns.ts";

function accountOf({ services }: Accounts, service: ServiceName): Account {
  const account = services.get(service);
  invariant(account !== undefined, "each service has an account", { service });
  return account;
}

/** Imports requests to JetStream from the account that holds the streams. */
export function importStorage(into: Account, from: Account, subjects: readonly string[]): void {
  for (const subject of subjects) {
    into.importService(from, subject, { manyAnswers: hasManyAnswers(subject) });
  }
}

export function connectServices(accounts: Accounts): void {
  for (const [service, account] of accounts.services) {
    const { serves, telemetry } = serviceAccess(service);
    const { follows, requests } = storageOf(service);
    account.sends.push(...telemetry.sends);
    account.serves.push(...DISCOVERY, ...reachable(serves));
    if (service === JOB_INTAKE) account.serves.push(...ARRIVING_TENANT_JOBS);
    if (service === FEED_WRITER) account.serves.push(ARRIVING_FEED_INFO);
    importStorage(account, accounts.log, [...requests, ...follows]);
    for (const [, endpoint] of callsOf(service)) {
      account.importService(accountOf(accounts, endpoint.owner), endpoint.subject, { share: true });
    }
    for (const agent of accounts.agents) callAgent(account, service, agent);
    hearTelemetry(accounts, service, account);
  }
}

/** The subjects of endpoints, public and mapped, on which services, principals and agents reach them. */
function reachable(subjects: readonly string[]): string[] {
  return subjects.flatMap((subject) => servedSubjects(subject, "mapped", true));
}

function callsOf(service: ServiceName): [EndpointName, Endpoint][] {
  const endpoints = Object.entries(ENDPOINTS) as [EndpointName, Endpoint][];
  return endpoints.filter(([name]) => ENDPOINT_CALLERS[name]?.includes(service) === true);
}

function callAgent(into: Account, service: ServiceName, { agentId, account }: AgentAccount): void {
  for (const { endpoint, caller } of agentEndpoints(agentId)) {
    if (caller === service) into.importService(account, endpoint.subject, { share: true });
  }
}

/** Imports the telemetry that a service receives: of services unchanged, of agents under the id of the agent. */
function hearTelemetry(accounts: Accounts, service: ServiceName, into: Account): void {
  const { receives, sends } = serviceAccess(service).telemetry;
  for (const pattern of receives) {
    if (sends.some((own) => covers(pattern, own))) into.hears.push(pattern);
    for (const [other, account] of accounts.services) {
      if (other === service) continue;
      for (const sent of serviceAccess(other).telemetry.sends) {
        if (covers(pattern, sent)) into.importStream(account, sent);
      }
    }
    into.hears.push(...heardSubjects(pattern).filter(isMapped));
    for (const { agentId, account } of accounts.agents) {
      for (const sent of serviceAccess("chassis-agent", agentId).telemetry.sends) {
        if (!covers(pattern, sent)) continue;
        const local = mappedSubject({ role: "agent", name: agentId }, sent);
        into.importStream(account, sent, AGENT_TELEMETRY.includes(sent) ? { local } : {});
      }
    }
  }
}

export function connectAgents(accounts: Accounts): void {
  for (const { agentId, account } of accounts.agents) {
    const { serves, telemetry } = serviceAccess("chassis-agent", agentId);
    const { follows, requests } = storageOf("chassis-agent", agentId);
    account.sends.push(...telemetry.sends);
    account.serves.push(...DISCOVERY, ...reachable(serves));
    account.hears.push(...telemetry.receives);
    importStorage(account, accounts.log, requests);
    importStorage(account, accounts.feed, follows);
    for (const [, endpoint] of callsOf("chassis-agent")) {
      const subject = mappedSubject({ role: "agent", name: agentId }, endpoint.subject);
      account.importService(accountOf(accounts, endpoint.owner), subject, {
        local: endpoint.subject,
        share: true,
      });
    }
  }
}

/** The owner of each endpoint that principals call must be a service with an account. */
export function endpointAccount(accounts: Accounts, { owner }: Endpoint): Account {
  return accountOf(accounts, owner);
}

/** The account of the service that writes the feed of tenants. */
export function feedAccount(accounts: Accounts): Account {
  return accountOf(accounts, FEED_WRITER);
}

/** All accounts that answer the discovery of services. */
export function discoverable({ services, agents }: Accounts): Account[] {
  return [...services.values(), ...agents.map(({ account }) => account)];
}

/** The telemetry of all services and agents, each with the account that sends it, without the feed of tenants. */
export function allTelemetry(accounts: Accounts): { readonly account: Account; readonly subject: string }[] {
  const all = SERVICE_NAMES.flatMap((service) =>
    service === "chassis-agent"
      ? accounts.agents.flatMap(({ agentId, account }) =>
          serviceAccess(service, agentId).telemetry.sends.map((subject) => ({ account, subject })),
        )
      : serviceAccess(service).telemetry.sends.map((subject) => ({
          account: accountOf(accounts, service),
          subject,
        })),
  );
  return all.filter(({ subject }) => !covers(FEED_SUBJECTS, subject));
}
