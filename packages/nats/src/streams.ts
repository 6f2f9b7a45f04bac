/**
 * Creates and repairs the streams of JetStream from their declarations. At the start of a service each declaration is
 * compared with the server: a missing stream is created, drift is repaired where the server allows it, and no stream is
 * ever deleted.
 */
import { STREAMS, type StreamDeclaration } from "@bioxen/contracts";
import { type EventLog, Fault } from "@bioxen/kernel";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import type { LongReader } from "./event-log.ts";
import { logOn, openExistingLog, presentConfig } from "./existing-log.ts";
import { onceReady } from "./ready.ts";
import { isRefusal } from "./server-codes.ts";
import { type ReadingOptions, THREAD_FROM_EVENTS, threadReader } from "./thread-follower.ts";

/** Options for reading a long log. Every option has a default. */
export type EventLogOptions = Partial<Omit<ReadingOptions, "bus">>;

/** Oldest supported server: 2.10.20 to 2.10.22 could lose a whole stream when the process was killed. */
export const OLDEST_SERVER = [2, 10, 23] as const;

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
 * Opens the event log after it has created or repaired every stream of the catalogue. Throws `Fault` UNAVAILABLE when
 * the server is too old, has no JetStream, or has a stream whose drift cannot be repaired.
 */
export async function openEventLog(bus: Bus, replicas = 1, reading: EventLogOptions = {}): Promise<EventLog> {
  if (!isSupportedServer(bus.serverVersion)) {
    throw new Fault(
      "UNAVAILABLE",
      `nats-server ${bus.serverVersion} is too old: install ${OLDEST_SERVER.join(".")} or newer`,
      {
        retryable: false,
      },
    );
  }
  return onceReady("cannot open the event log", async () => {
    const jsm = await jetstreamManager(bus.connection);
    for (const declaration of STREAMS) await ensureStream(jsm, declaration, replicas);
    return logOn(bus, jsm, longReaderOf(bus, reading));
  });
}

/** Opens an existing event log, and creates or repairs nothing. Throws `Fault` UNAVAILABLE when the server has none. */
export async function openExistingEventLog(bus: Bus, reading: EventLogOptions = {}): Promise<EventLog> {
  return openExistingLog(bus, longReaderOf(bus, reading));
}

function longReaderOf(bus: Bus, reading: EventLogOptions): LongReader {
  return threadReader({ bus: bus.options, threadFromEvents: THREAD_FROM_EVENTS, ...reading });
}

/** Returns each setting in which a stream differs from its declaration, and the names of the missing streams. */
export async function streamDrift(
  bus: Bus,
): Promise<{ readonly absent: readonly string[]; readonly drifted: readonly string[] }> {
  const jsm = await jetstreamManager(bus.connection, bus.jetStreamOptions);
  const absent: string[] = [];
  const drifted: string[] = [];
  for (const declaration of STREAMS) {
    const present = await presentConfig(jsm, declaration.name);
    if (present === undefined) absent.push(declaration.name);
    else drifted.push(...driftOf(declaration, present).map((setting) => `${declaration.name}.${setting}`));
  }
  return { absent, drifted };
}

async function ensureStream(
  jsm: JetStreamManager,
  declaration: StreamDeclaration,
  replicas: number,
): Promise<void> {
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
    throw new Fault(
      "UNAVAILABLE",
      `the server refuses to change ${drifted.join(", ")} of stream ${name}: update the stream manually`,
      {
        retryable: false,
        cause,
        details: { drifted },
      },
    );
  }
}

/**
 * Returns the names of the declared settings that have another value, or none, in the present configuration. More
 * replicas than declared do not count as drift.
 */
export function driftOf(wanted: Readonly<Record<string, unknown>>, present: object): string[] {
  const now = present as Readonly<Record<string, unknown>>;
  return Object.keys(wanted).filter((name) => {
    if (name === "num_replicas") return Number(now[name] ?? 1) < Number(wanted[name]);
    return JSON.stringify(now[name] ?? null) !== JSON.stringify(wanted[name]);
  });
}
