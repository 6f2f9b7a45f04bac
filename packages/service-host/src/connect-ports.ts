/**
 * The connection of a service process to NATS: the bus, the log and everything else behind the ports of the service.
 */
import { FEED_WRITER, type ServiceName, SkippedMessages } from "@bioxen/contracts";
import { type Logger, SkippingLog, StoredLeases } from "@bioxen/kernel";
import { connectBus, KvLeaseStore, openBlobs, openCourses, openOutcomes, openTenantFeed } from "@bioxen/nats";
import { type HostConfig, storageOf } from "./config.ts";
import { HeldLeases } from "./held-leases.ts";
import { type LoseLog, openKnownLog } from "./known-log.ts";
import type { ProcessEnd } from "./process-end.ts";
import { hasEnded, processIds } from "./process-identity.ts";
import { randomIds, systemClock, systemTimers } from "./real-world.ts";
import { type OpenTelemetryTracer, tracedPorts } from "./tracing.ts";

/** Longest wait for the first connection, ms: the server may start after its services. */
const FIRST_CONNECT_TIMEOUT_MS = 30_000;

export interface ConnectOptions {
  readonly definition: { readonly name: ServiceName; readonly writesSnapshots?: boolean };
  readonly config: HostConfig;
  readonly logger: Logger;
  readonly end: ProcessEnd;
  readonly lose: LoseLog;
  readonly tracer: OpenTelemetryTracer;
}

/** Connects to NATS and returns the ports of a service. */
export async function connectPorts({ definition, config, logger, end, lose, tracer }: ConnectOptions) {
  const { name, writesSnapshots = false } = definition;
  const storage = storageOf(config);
  const bus = await connectBus({
    ...config.connection,
    name: `bioxen-${name}`,
    service: name,
    identities: name === "chassis-agent" ? "open" : config.BIOXEN_IDENTITIES,
    connectTimeoutMs: FIRST_CONNECT_TIMEOUT_MS,
  });
  end.closes(() => bus.close());
  bus.onStatus((status) => logger.warn({ status }, `the bus is ${status}`));
  bus.onRefusedLogin((why) => logger.error({}, `${why}; trying again with the credentials as they then are`));
  const { log, guard } = await openKnownLog({
    bus,
    storage,
    file: config.BIOXEN_LOG_RECORD,
    writes: writesSnapshots,
    logger,
    lose,
  });
  end.closes(() => guard.end());
  const outcomes = await openOutcomes(bus, storage);
  const world = { clock: systemClock, ids: randomIds, timers: systemTimers, logger };
  const store = new KvLeaseStore(bus, storage);
  const monotonicMs = () => performance.now();
  const leases = new HeldLeases(
    new StoredLeases({ ...world, ids: processIds(), store, monotonicMs, hasEnded }),
  );
  const blobs = await openBlobs(bus, storage);
  const courses = await openCourses(bus, storage);
  const skips = new SkippedMessages();
  const readable = new SkippingLog(log, skips);
  const appends = { appended: 0, conflict: 0 };
  const traced = tracedPorts({ ...world, log: readable, bus, leases, blobs, courses }, tracer, appends);
  const writesFeed = name === FEED_WRITER && config.BIOXEN_IDENTITIES === "mapped";
  const ports = { ...traced, leases, ...(writesFeed ? { tenantFeed: await openTenantFeed(bus) } : {}) };
  return { bus, ports, outcomes, skips, guard, appends };
}
