/**
 * What each service may do on the bus, besides serving its own endpoints: the events that it appends, the endpoints of
 * other services that it calls, the leases that it holds, and the telemetry that it sends and receives.
 *
 * The permissions of a server with logins are derived from these tables (packages/auth). A test compares the tables with
 * the sources of the services, and another one with the traffic of a real stack (packages/auth/test).
 */
import { ENDPOINTS, type EndpointName } from "./endpoints/catalogue.ts";
import { type Endpoint, SERVICE_NAMES, type ServiceName } from "./endpoints/endpoint.ts";
import { agentCheckpoint, agentExec, agentHold } from "./endpoints/internal.ts";
import { agentOrphans } from "./endpoints/orphans.ts";
import { feedSubjects } from "./feed.ts";
import { mappedSubject } from "./identities.ts";
import { jobAggregatesOf, STRAY_JOB_OWNER } from "./jobs.ts";
import {
  type AggregateKind,
  ALL_CHASSIS_TELEMETRY,
  ALL_SERVICE_TELEMETRY,
  ALL_VM_LOGS,
  ALL_VM_TELEMETRY,
  alertSubject,
  schedulerEchoSubject,
  serviceTelemetrySubject,
} from "./subjects.ts";

/** The one service that appends the events of each kind of aggregate. */
export const EVENT_WRITERS: Readonly<Record<AggregateKind, ServiceName>> = {
  vm: "lifecycle",
  log: "lifecycle",
  ledger: "allocator",
  quota: "allocator",
  chassis: "chassis-scheduler",
  drain: "chassis-scheduler",
  alert: "monitor",
  experiment: "experiments",
};

/**
 * The services that call each endpoint. Every internal endpoint has an entry; a public endpoint has one only when a
 * service calls it too.
 */
export const ENDPOINT_CALLERS: Readonly<Partial<Record<EndpointName, readonly ServiceName[]>>> = {
  vmCreate: ["experiments"],
  vmStart: ["experiments"],
  vmDestroy: ["experiments"],
  courseGet: ["experiments"],
  vmDefer: ["chassis-scheduler"],
  vmMove: ["chassis-scheduler"],
  vmCancelMigration: ["chassis-scheduler"],
  vmPreempt: ["chassis-scheduler"],
  vmReinstate: ["chassis-scheduler"],
  vmReport: ["chassis-agent"],
  vmDivide: ["chassis-agent"],
  ledgerReserve: ["chassis-scheduler"],
  ledgerResize: ["lifecycle"],
  chassisGet: ["chassis-agent"],
  chassisRegister: ["chassis-agent"],
  chassisReportMachine: ["chassis-agent"],
  chassisReportLeft: ["chassis-agent"],
};

/** The endpoints of one agent, each with the service that calls it. */
export function agentEndpoints(
  agentId: string,
): readonly { readonly endpoint: Endpoint; readonly caller: ServiceName }[] {
  return [
    { endpoint: agentExec(agentId), caller: "lifecycle" },
    { endpoint: agentCheckpoint(agentId), caller: "lifecycle" },
    { endpoint: agentHold(agentId), caller: "lifecycle" },
    { endpoint: agentOrphans(agentId), caller: "chassis-scheduler" },
  ];
}

/** Returns the name of the lease whose holder carries out the jobs of one kind of aggregate. */
export function jobLease(aggregate: string): string {
  return `jobs-${aggregate}`;
}
/** Returns the name of the consumer through which the holder of {@link jobLease} receives the jobs. */
export function jobConsumer(aggregate: string): string {
  return `jobs-${aggregate}`;
}
/** The lease whose holder turns jobs that no service owns into dead letters. */
export const STRAY_JOB_LEASE = "jobs-stray";
/** Returns the name of the lease whose holder runs the guests of an agent. */
export function agentLease(agentId: string): string {
  return `agent.${agentId}`;
}

/** Returns the names of the leases that instances of a service contend for. `agentId` may be the wildcard `*`. */
export function leasesOf(service: ServiceName, agentId = "*"): readonly string[] {
  if (service === "chassis-agent") return [agentLease(agentId)];
  const stray = service === STRAY_JOB_OWNER ? [STRAY_JOB_LEASE] : [];
  return [service, ...jobAggregatesOf(service).map(jobLease), ...stray];
}

/** Patterns that cover all telemetry, lines of guests and alerts. */
export const ALL_TELEMETRY = ["bioxen.tel.>", "bioxen.log.>", "bioxen.alert.>"] as const;

/** The status samples of agents, which are service telemetry too. */
const AGENT_STATUS = serviceTelemetrySubject("chassis-agent");
/** Telemetry that services receive under the id of the agent that sends it. */
export const AGENT_TELEMETRY: readonly string[] = [
  ALL_VM_TELEMETRY,
  ALL_CHASSIS_TELEMETRY,
  ALL_VM_LOGS,
  AGENT_STATUS,
];

/** Returns the subjects on which a service hears the telemetry of `pattern` on a server with keys. */
export function heardSubjects(pattern: string): readonly string[] {
  const fromAgents = (sent: string) => mappedSubject({ role: "agent", name: "*" }, sent);
  if (pattern === ALL_SERVICE_TELEMETRY) return [pattern, fromAgents(AGENT_STATUS)];
  return [AGENT_TELEMETRY.includes(pattern) ? fromAgents(pattern) : pattern];
}

/** The service that writes the feed of tenants. */
export const FEED_WRITER: ServiceName = "monitor";
/** The part of the feed that is not stored. */
const ALL_FEEDS = feedSubjects("*", "*");

/** The subjects that a service publishes on without a reply, and those that it subscribes to, with wildcards. */
export interface Telemetry {
  readonly sends: readonly string[];
  readonly receives: readonly string[];
}

const SENT: Readonly<Record<ServiceName, readonly string[]>> = {
  lifecycle: [],
  allocator: [],
  "chassis-scheduler": [schedulerEchoSubject("*")],
  experiments: [],
  monitor: [alertSubject("*", "*"), ALL_FEEDS.telemetry, ALL_FEEDS.log],
  "chassis-agent": [ALL_VM_TELEMETRY, ALL_CHASSIS_TELEMETRY, ALL_VM_LOGS],
};
const RECEIVED: Readonly<Record<ServiceName, readonly string[]>> = {
  lifecycle: [],
  allocator: [],
  "chassis-scheduler": [ALL_CHASSIS_TELEMETRY, schedulerEchoSubject("*")],
  experiments: [],
  monitor: [ALL_VM_TELEMETRY, ALL_CHASSIS_TELEMETRY, ALL_SERVICE_TELEMETRY, ALL_VM_LOGS],
  // Only an agent that finds the claim on its id held listens, for samples of an older release under that id.
  "chassis-agent": [ALL_CHASSIS_TELEMETRY],
};

export function telemetryOf(service: ServiceName): Telemetry {
  return { sends: [serviceTelemetrySubject(service), ...SENT[service]], receives: RECEIVED[service] };
}

/** Everything that one service does on the bus. The subjects may contain wildcards. */
export interface ServiceAccess {
  readonly appends: readonly AggregateKind[];
  /** Subjects that the service serves, also those that other services call. */
  readonly serves: readonly string[];
  readonly calls: readonly string[];
  readonly leases: readonly string[];
  readonly telemetry: Telemetry;
}

/** Returns what a service does on the bus. For the agent, `agentId` names it; the default stands for every agent. */
export function serviceAccess(service: ServiceName, agentId = "*"): ServiceAccess {
  const endpoints = Object.entries(ENDPOINTS) as [EndpointName, Endpoint][];
  const ofAgents = agentEndpoints(service === "chassis-agent" ? agentId : "*");
  const own = endpoints.filter(([, { owner }]) => owner === service).map(([, { subject }]) => subject);
  const called = endpoints.filter(([name]) => ENDPOINT_CALLERS[name]?.includes(service) === true);
  return {
    appends: (Object.keys(EVENT_WRITERS) as AggregateKind[]).filter(
      (kind) => EVENT_WRITERS[kind] === service,
    ),
    serves: service === "chassis-agent" ? ofAgents.map(({ endpoint }) => endpoint.subject) : own,
    calls: [
      ...called.map(([, { subject }]) => subject),
      ...ofAgents.filter(({ caller }) => caller === service).map(({ endpoint }) => endpoint.subject),
    ],
    leases: leasesOf(service, agentId),
    telemetry: telemetryOf(service),
  };
}

/** All services without the agent, whose instances are principals of their own. */
export const CORE_SERVICES: readonly ServiceName[] = SERVICE_NAMES.filter((name) => name !== "chassis-agent");
