/**
 * Streams are declared data. At boot the declaration is compared with what the server has: a missing stream is made,
 * drift that the server allows to be mended is mended, and nothing is ever deleted.
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

/** How a long log is read; all of it has its defaults. */
export type EventLogOptions = Partial<Omit<ReadingOptions, "bus">>;

/** Oldest server: 2.10.20 to 2.10.22 could lose a whole stream on a killed process. */
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
    return logOn(bus, jsm, longReaderOf(bus, reading));
  });
}

/** The log of a server that has one; makes and mends nothing. Throws `Fault` UNAVAILABLE when there is none. */
export async function openExistingEventLog(bus: Bus, reading: EventLogOptions = {}): Promise<EventLog> {
  return openExistingLog(bus, longReaderOf(bus, reading));
}

function longReaderOf(bus: Bus, reading: EventLogOptions): LongReader {
  return threadReader({ bus: bus.options, threadFromEvents: THREAD_FROM_EVENTS, ...reading });
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
    throw new Fault("UNAVAILABLE", `stream ${name} differs in ${drifted.join(", ")} and cannot be mended`, {
      retryable: false,
      cause,
      details: { drifted },
    });
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
