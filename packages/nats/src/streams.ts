/**
 * Streams are declared data. At boot the declaration is compared with what the server has: a missing stream is made,
 * drift that the server allows to be mended is mended, and nothing is ever deleted.
 */
import { EVENT_STREAM, STREAMS, type StreamDeclaration } from "@bioxen/contracts";
import { type EventLog, Fault, messageOf } from "@bioxen/kernel";
import { JetStreamApiError, jetstream, jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { JetStreamEventLog } from "./event-log.ts";
import { onceReady } from "./ready.ts";
import { isRefusal } from "./server-codes.ts";
import { type ReadingOptions, THREAD_FROM_EVENTS } from "./thread-follower.ts";

/** How a long log is read; all of it has its defaults. */
export type EventLogOptions = Partial<Omit<ReadingOptions, "bus">>;

/** Oldest server: 2.10.20 to 2.10.22 could lose a whole stream on a killed process. */
export const OLDEST_SERVER = [2, 10, 23] as const;
const STREAM_NOT_FOUND = 10_059;
/** Longest wait for a consumer to be made, ms: a cluster whose leader died answers nothing until it has another. */
const CONSUMER_TIMEOUT_MS = 2_000;

/** True when `version` ("2.14.0", "2.10.27-beta") is at least {@link OLDEST_SERVER}. */
export function isSupportedServer(version: string): boolean {
  const parts = version.split(/[.-]/).map((part) => Number.parseInt(part, 10));
  for (const [i, least] of OLDEST_SERVER.entries()) {
    const part = parts[i] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}

/**
 * The event log of this server, its stream and all others of the catalogue ensured. Throws `Fault` UNAVAILABLE when the server is too old, has no
 * JetStream, or the stream drifted in a way that cannot be mended.
 */
export async function openEventLog(bus: Bus, replicas = 1, reading: EventLogOptions = {}): Promise<EventLog> {
  if (!isSupportedServer(bus.serverVersion)) {
    throw new Fault(
      "UNAVAILABLE",
      `nats-server ${bus.serverVersion} is older than ${OLDEST_SERVER.join(".")}`,
      {
        retryable: false,
      },
    );
  }
  return onceReady("the event log cannot be opened", async () => {
    const jsm = await jetstreamManager(bus.connection);
    for (const declaration of STREAMS) await ensureStream(jsm, declaration, replicas);
    return logOn(bus, jsm, reading);
  });
}

/** The log of a server that has one; makes and mends nothing. Throws `Fault` UNAVAILABLE when there is none. */
export async function openExistingEventLog(bus: Bus, reading: EventLogOptions = {}): Promise<EventLog> {
  try {
    const jsm = await jetstreamManager(bus.connection);
    if ((await presentConfig(jsm, EVENT_STREAM)) === undefined)
      throw new Error(`it has no stream ${EVENT_STREAM}`);
    return logOn(bus, jsm, reading);
  } catch (cause) {
    throw new Fault("UNAVAILABLE", `no event log: ${messageOf(cause)}`, { retryable: true, cause });
  }
}

function logOn(bus: Bus, jsm: Manager, reading: EventLogOptions): EventLog {
  const js = jetstream(bus.connection, { timeout: CONSUMER_TIMEOUT_MS });
  return new JetStreamEventLog(js, jsm, () => bus.connected, {
    bus: bus.options,
    threadFromEvents: THREAD_FROM_EVENTS,
    ...reading,
  });
}

/** Every way in which a stream of the catalogue differs from its declaration; `absent` are those that are not there. */
export async function streamDrift(
  bus: Bus,
): Promise<{ readonly absent: readonly string[]; readonly drifted: readonly string[] }> {
  const jsm = await jetstreamManager(bus.connection);
  const absent: string[] = [];
  const drifted: string[] = [];
  for (const declaration of STREAMS) {
    const present = await presentConfig(jsm, declaration.name);
    if (present === undefined) absent.push(declaration.name);
    else drifted.push(...driftOf(declaration, present).map((setting) => `${declaration.name}.${setting}`));
  }
  return { absent, drifted };
}

type Manager = Awaited<ReturnType<typeof jetstreamManager>>;

async function ensureStream(jsm: Manager, declaration: StreamDeclaration, replicas: number): Promise<void> {
  const { name } = declaration;
  const wanted = { ...declaration, subjects: [...declaration.subjects], num_replicas: replicas };
  const present = await presentConfig(jsm, name);
  if (present === undefined) {
    await jsm.streams.add(wanted);
    return;
  }
  const drifted = driftOf(wanted, present);
  if (drifted.length === 0) return;
  try {
    await jsm.streams.update(name, wanted);
  } catch (cause) {
    if (!isRefusal(cause)) throw cause;
    throw new Fault("UNAVAILABLE", `stream ${name} differs in ${drifted.join(", ")} and cannot be mended`, {
      retryable: false,
      cause,
      details: { drifted },
    });
  }
}

async function presentConfig(jsm: Manager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(name)).config;
  } catch (cause) {
    if (cause instanceof JetStreamApiError && cause.code === STREAM_NOT_FOUND) return undefined;
    throw cause;
  }
}

/** Names of the declared settings that the present configuration does not have; more replicas than declared are fine. */
export function driftOf(wanted: Readonly<Record<string, unknown>>, present: object): string[] {
  const now = present as Readonly<Record<string, unknown>>;
  return Object.keys(wanted).filter((name) => {
    if (name === "num_replicas") return Number(now[name] ?? 1) < Number(wanted[name]);
    return JSON.stringify(now[name] ?? null) !== JSON.stringify(wanted[name]);
  });
}
