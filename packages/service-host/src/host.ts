/**
 * Runs one service as a process.
 *
 * Boot order: configuration → bus → log → folds caught up → inbox → ready. The service answers nothing before its state
 * is complete. An unreadable message of the log makes only its aggregate unavailable: `/ready` names the message, and
 * the service answers for all other aggregates. A lost log or a broken invariant ends the process, and its supervisor
 * restarts it.
 *
 * The process ends on SIGTERM, SIGINT and SIGHUP, and when the channel to its parent process closes, so that no orphan
 * remains. It ends within {@link DRAIN_DEADLINE_MS}, in every phase of its boot too (process-end.ts).
 */
import {
  BIOXEN_VERSION,
  ENDPOINTS,
  FEED_WRITER,
  guardedForTenants,
  type IdentityMode,
  JOB_INTAKE,
  type Measurement,
  type Owners,
  type ServedEndpoint,
  type ServiceName,
  type ServiceSample,
} from "@bioxen/contracts";
import { type EventFeed, type EventSink, type Logger, messageOf, type ServicePorts } from "@bioxen/kernel";
import {
  type Bus,
  ConnectionRefused,
  clusterIdOn,
  discoverServices,
  type Outcomes,
  openFeedInfo,
  openInbox,
  openJobCancellation,
  openJobIntake,
  openJobOutcomes,
  openJobWorker,
  storeReport,
} from "@bioxen/nats";
import { whenAdmitted } from "./admission.ts";
import { beginTelemetry } from "./begin-telemetry.ts";
import {
  ConfigError,
  type Environment,
  EXIT_MISCONFIGURED,
  type HostConfig,
  readHostConfig,
  storageOf,
} from "./config.ts";
import { connectPorts } from "./connect-ports.ts";
import { faultLogger, foreignReplyLogger } from "./fault-logs.ts";
import type { HeldLeases } from "./held-leases.ts";
import { openHttp } from "./http.ts";
import { feedOf, losing, startFeed } from "./known-log.ts";
import { loadMeasurements } from "./load.ts";
import { exportMetrics } from "./metric-export.ts";
import { ProcessMetrics } from "./metrics.ts";
import { metricsAccess } from "./metrics-access.ts";
import { EndRequested, ProcessEnd } from "./process-end.ts";
import { createLogger, namedIds, randomIds, systemClock, systemTimers } from "./real-world.ts";
import { Refusals } from "./refusals.ts";
import { RenewedInbox } from "./renewed-inbox.ts";
import { withEveryKind } from "./snapshot-sinks.ts";
import { openSnapshots, type Snapshots } from "./snapshots.ts";
import { StandBy } from "./stand-by.ts";
import { storeMeasurements } from "./store-measurements.ts";
import { tellParent } from "./supervisor.ts";
import { tracedEndpoint } from "./tracing.ts";
import { unlessStalled } from "./unless-stalled.ts";
import { ProcessVitals } from "./vitals.ts";

/** Time for which the answers of service instances to a ping are collected, ms. */
const DISCOVERY_MS = 200;
/**
 * Longest time without an event while a service reads the log at its boot, ms. After this time, the process ends and
 * its supervisor restarts it. A restart of the server, or reading the largest snapshot, takes less time.
 */
const LOG_SILENCE_MS = 60_000;

/** A service, independent of the process that runs it: its folds, its endpoints and its own activity. */
export interface Service {
  /** The folds of the service. The feed applies each event to all folds before it calls any listener. */
  readonly sinks: readonly EventSink[];
  readonly endpoints: readonly ServedEndpoint[];
  /** The owners of VMs; absent for a service without endpoints for tenants. */
  readonly owners?: Owners;
  /** Metadata that the discovery of services shows of this instance, such as the id of an agent. */
  readonly discovery?: Readonly<Record<string, string>>;
  /**
   * Resolves once the service may begin. A service without this method may begin at once. Called once, after the folds
   * have reached the end of the log. `onWait` is called with each reason to wait.
   */
  admitted?(onWait: (reason: string) => void): Promise<void>;
  /** Resolves with the reason when the process must end with an error, so that its supervisor restarts it. */
  readonly mustEnd?: Promise<string>;
  /** Returns the fields that the service adds to its status samples. */
  sampled?(): Pick<ServiceSample, "agent">;
  /** Starts the work that needs no request. Called once, after the folds have reached the end of the log. */
  begin(feed: EventFeed): Promise<void> | void;
  /** Returns the current measurements of the service. */
  measure?(): readonly Measurement[];
  /** Returns measurements with one series per VM. */
  measureVms?(): readonly Measurement[];
  /** Stops the service; resolves when its effects in flight have ended. */
  end(): Promise<void> | void;
}

export interface ServiceDefinition {
  readonly name: ServiceName;
  readonly description: string;
  /** True for the service that folds most of the log: its process writes the snapshots that all services start from. */
  readonly writesSnapshots?: boolean;
  /** True for a service whose instances cannot replace each other, such as agents, which run different guests. */
  readonly isUnique?: boolean;
  /** Makes the service. `clusterId` names this BioXen in what a service makes outside of the server. */
  readonly create: (ports: ServicePorts, env: Environment, clusterId: string) => Service | Promise<Service>;
}

/** Runs a service as this process until the process is asked to end, and sets the exit code. */
export async function runService(
  definition: ServiceDefinition,
  env: Environment = process.env,
): Promise<void> {
  try {
    await run(definition, env);
  } catch (thrown) {
    // A server that refuses the login or TLS would do the same after a restart of this process.
    const misconfigured = thrown instanceof ConfigError || thrown instanceof ConnectionRefused;
    const logger = createLogger(definition.name, "info");
    logger.error({ err: thrown }, `${definition.name} failed: ${messageOf(thrown)}`);
    if (misconfigured) await tellParent({ kind: "misconfigured", why: messageOf(thrown) });
    process.exit(misconfigured ? EXIT_MISCONFIGURED : 1);
  }
}

async function run(definition: ServiceDefinition, env: Environment): Promise<void> {
  const end = new ProcessEnd();
  const config = readHostConfig(env);
  const logger = createLogger(definition.name, config.BIOXEN_LOG_LEVEL);
  try {
    await boot(definition, env, { config, logger, end });
  } catch (thrown) {
    if (!(thrown instanceof EndRequested)) throw thrown;
  }
  logger.info({ cause: await end.requested }, "stopping");
  await end.exit();
}

interface Process {
  readonly config: HostConfig;
  readonly logger: Logger;
  readonly end: ProcessEnd;
}

/** Brings the service up; resolves when it is ready. Throws {@link EndRequested} when an end is requested earlier. */
async function boot(
  definition: ServiceDefinition,
  env: Environment,
  { config, logger, end }: Process,
): Promise<void> {
  const instance = namedIds.next();
  const telemetry = await end.during(beginTelemetry({ service: definition.name, instance }, env, logger));
  const { tracer } = telemetry;
  end.closes(telemetry.end);
  const lose = losing(logger, end);
  const connected = await end.during(connectPorts({ definition, config, logger, end, lose, tracer }));
  const { bus, ports, outcomes, skips, guard, appends } = connected;
  const service = await end.during(definition.create(ports, env, await end.during(clusterIdOn(bus))));
  const writesSnapshots = definition.writesSnapshots === true;
  const sinks = writesSnapshots ? withEveryKind(service.sinks) : service.sinks;
  const feed = feedOf({ ports, sinks, skips, guard, end });
  // A process that reads the log at its boot, or waits until it may begin, must notice a lost log too.
  guard.begin(() => feed.appliedSeq);
  // Only the monitor inspects the store, because only the monitor raises alerts about the store.
  const inspectStore = definition.name === "monitor" ? () => storeReport(bus) : undefined;
  const vitals = new ProcessVitals(ports, definition.name, instance, feed, sampledBy(service), inspectStore);
  const metrics = new ProcessMetrics(definition.name, () => vitals.now(), appends);
  const measuring = measuringOf(ports.leases, vitals, bus, service);
  const measure = () => measuring.flatMap((part) => part());
  if (tracer.hasSdk) await end.during(exportMetrics(() => metrics.families(measure())));
  const http = await end.during(
    openHttp({
      ...addressOf(config.BIOXEN_HTTP),
      ...{ vitals, metrics, measure },
      access: metricsAccess(config.BIOXEN_METRICS_TOKEN_FILE),
      measureVms: service.measureVms === undefined ? undefined : () => service.measureVms?.() ?? [],
    }),
  );
  end.closes(() => http.close());
  end.closes(() => vitals.end());
  vitals.begin();
  const snapshots = await end.during(rebuildState(feed, bus, ports, config));
  end.closes(() => snapshots.end());
  measuring.push(() => snapshots.measure());
  const common = servingOf(definition, feed, { logger, config, measuring });
  const hosted = await end.during(hostedEndpoints(definition, { ...common, bus, outcomes }));
  const endpoints = [...guardedEndpoints(service), ...hosted].map((served) =>
    metrics.counted(tracedEndpoint(served, tracer)),
  );
  const serving = { ...common, bus, outcomes, url: http.url, endpoints };
  const { discovery = {} } = service;
  end.closes(() => service.end());
  const openLobby = (waiting: string) =>
    openInbox({ ...serving, endpoints: [], metadata: { ...discovery, waiting } });
  for (const admission of [service, ...standByOf(definition, bus, feed)]) {
    await whenAdmitted({ service: admission, vitals, end, logger, openLobby });
    void admission.mustEnd?.then((reason) => end.fail(reason));
  }
  await end.during(service.begin(feed));
  if (writesSnapshots) await end.during(snapshots.beginWriting(feed));
  const open = () => openInbox({ ...serving, metadata: discovery });
  const opened = await end.during(RenewedInbox.open({ bus, open, logger, timers: systemTimers }));
  measuring.push(() => loadMeasurements(opened.load()));
  const stopping = [() => opened.stop()];
  for (const intake of await end.during(intakesOf(definition, common, bus)))
    stopping.push(() => intake.stop());
  end.closes(() => Promise.all(stopping.map((stop) => stop())));
  const jobs = await end.during(
    openJobWorker({
      ...serving,
      storage: storageOf(config),
      service: definition.name,
      leases: ports.leases,
      timers: systemTimers,
    }),
  );
  stopping.push(() => jobs.stop());
  // This closer is added a second time. The newest closer runs first, so the process is not ready while it drains.
  end.closes(() => vitals.end());
  vitals.serves();
  process.send?.({ kind: "ready" });
  logger.info({}, `${definition.name} is ready`);
}

function sampledBy(service: Service): () => Pick<ServiceSample, "agent"> {
  return () => service.sampled?.() ?? {};
}

/** Returns the endpoints that the host itself serves, beside those of the service. */
async function hostedEndpoints(
  { name }: ServiceDefinition,
  { bus, outcomes, identities }: { bus: Bus; outcomes: Outcomes; identities: IdentityMode },
): Promise<readonly ServedEndpoint[]> {
  if (ENDPOINTS.jobCancel.owner !== name) return [];
  return [await openJobCancellation(bus, outcomes, identities), await openJobOutcomes(bus)];
}

/** Opens what serves tenants beside the endpoints of this service, on a server with keys. */
async function intakesOf(
  { name }: ServiceDefinition,
  { identities }: { readonly identities: IdentityMode },
  bus: Bus,
) {
  if (identities === "open") return [];
  return [
    ...(name === JOB_INTAKE ? [await openJobIntake(bus)] : []),
    ...(name === FEED_WRITER ? [await openFeedInfo(bus)] : []),
  ];
}

/** Returns the endpoints of the service, with the rules for tenants. */
function guardedEndpoints({ endpoints, owners }: Service): readonly ServedEndpoint[] {
  return owners === undefined ? endpoints : endpoints.map((served) => guardedForTenants(served, owners));
}

/** The sources of the measurements of a process. */
type Measuring = (() => readonly Measurement[])[];

/** Returns the sources of the measurements that a process has from its start. */
function measuringOf(leases: HeldLeases, vitals: ProcessVitals, bus: Bus, service: Service): Measuring {
  return [
    () => leases.measure(),
    // The last inspection of the store says nothing about a server that cannot be reached now.
    () => (vitals.store === undefined || !bus.connected ? [] : storeMeasurements(vitals.store)),
    () => service.measure?.() ?? [],
  ];
}

/** Returns the watch for instances of newer releases; empty for a service whose instances cannot replace each other. */
function standByOf({ name, isUnique = false }: ServiceDefinition, bus: Bus, feed: EventFeed): StandBy[] {
  const discover = () => discoverServices(bus, DISCOVERY_MS);
  return isUnique
    ? []
    : [new StandBy({ name, version: BIOXEN_VERSION, feed, timers: systemTimers, discover })];
}

/** Returns the options that the inbox and the job worker of a service have in common. */
function servingOf(
  { name, description }: ServiceDefinition,
  feed: EventFeed,
  { logger, config, measuring }: Pick<Process, "logger" | "config"> & { readonly measuring: Measuring },
) {
  const { BIOXEN_IDENTITIES: identities, BIOXEN_CALLER_LIMIT: callerLimit } = config;
  const refusals = new Refusals(logger);
  measuring.push(() => refusals.measure());
  return {
    identities,
    callerLimit,
    onRefusal: refusals.note.bind(refusals),
    name,
    description,
    version: BIOXEN_VERSION,
    newId: randomIds.next,
    unavailable: () => feed.stopReason,
    onFault: faultLogger(logger),
    onForeignReply: foreignReplyLogger(logger),
  };
}

/**
 * Brings the folds up to the end of the log, and returns the access to snapshots.
 */
async function rebuildState(
  feed: EventFeed,
  bus: Bus,
  ports: ServicePorts,
  config: HostConfig,
): Promise<Snapshots> {
  const startedAtMs = systemClock.nowMs();
  const snapshots = await openSnapshots(bus, ports, {
    everyEvents: config.BIOXEN_SNAPSHOT_EVERY,
    storage: storageOf(config),
  });
  await unlessStalled(startFeed(feed, snapshots.source), {
    progress: () => feed.appliedSeq,
    limitMs: LOG_SILENCE_MS,
    what: () => `the log gave no event after ${feed.appliedSeq}`,
    timers: systemTimers,
  });
  const tookMs = systemClock.nowMs() - startedAtMs;
  ports.logger.info({ events: feed.appliedSeq, tookMs }, "the state is rebuilt from the log");
  return snapshots;
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon).replaceAll(/[[\]]/g, ""), port: Number(text.slice(colon + 1)) };
}
