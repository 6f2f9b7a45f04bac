/**
 * Creates and repairs the streams of JetStream from their declarations. At the start of a service each declaration is
 * compared with the server: a missing stream is created, drift is repaired where the server allows it, and no stream is
 * ever deleted.
 */
import { STREAMS, type StreamDeclaration } from "@bioxen/contracts";
import { type EventLog, Fault } from "@bioxen/kernel";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { newClusterMetadata } from "./cluster-id.ts";
import type { LongReader } from "./event-log.ts";
import { logOn, openExistingLog } from "./existing-log.ts";
import { streamManagerOf } from "./jet-stream.ts";
import { onceReady } from "./ready.ts";
import { isEventStream, isOnSingleServer, type StorageSettings, wantedConfig } from "./storage.ts";
import { singleServerFault, streamRefusal } from "./stream-refusals.ts";
import { driftInWords, driftOf, presentStream } from "./stream-state.ts";
import { type ReadingOptions, THREAD_FROM_EVENTS, threadReader } from "./thread-follower.ts";

/** Options for reading a long log. Every option has a default. */
export type EventLogOptions = Partial<Omit<ReadingOptions, "bus">>;

/** Oldest supported version of nats-server. A killed server of version 2.10.20 to 2.10.22 could lose a whole stream. */
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
 * the server is too old, has no JetStream, refuses a stream or its repair, or cannot make as many copies as wanted.
 */
export async function openEventLog(
  bus: Bus,
  storage: StorageSettings = {},
  reading: EventLogOptions = {},
): Promise<EventLog> {
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
    const jsm = await streamManagerOf(bus);
    for (const declaration of STREAMS) await ensureStream(bus, jsm, declaration, storage, reading.onTrouble);
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

/**
 * Creates a stream, or repairs its drift after it has called `onDrift` with a message about the drift. Throws `Fault`
 * UNAVAILABLE, not retryable, when the server refuses. Throws the server's error when a repetition may succeed.
 */
export async function ensureStream(
  bus: Bus,
  jsm: JetStreamManager,
  declaration: StreamDeclaration,
  storage: StorageSettings,
  onDrift: (message: string, cause: unknown) => void = () => undefined,
): Promise<void> {
  const { name } = declaration;
  const wanted = wantedConfig(declaration, storage);
  try {
    const present = await presentStream(jsm, name);
    if (present === undefined) {
      const identity = isEventStream(name) ? { metadata: newClusterMetadata() } : {};
      await jsm.streams.add({ ...wanted, ...identity, subjects: [...wanted.subjects] });
      return;
    }
    // A single server accepts any number of replicas in an update, and makes one copy.
    if ((storage.replicas ?? 1) > 1 && isOnSingleServer(present)) throw await singleServerFault(bus, name);
    const drifted = driftOf(wanted, present.config);
    if (drifted.length === 0) return;
    onDrift(`repairing stream ${name}: ${drifted.map(driftInWords).join("; ")}`, undefined);
    // An update replaces the metadata as well, and with it the id of the cluster.
    const { metadata = {} } = present.config;
    await jsm.streams.update(name, { ...wanted, metadata, subjects: [...wanted.subjects] });
  } catch (cause) {
    throw await streamRefusal(bus, name, cause);
  }
}

/**
 * Creates a stream of the catalogue again when it is gone. Does nothing for the event stream: its loss is the loss of
 * all state, and an empty event stream would hide that loss. Throws as {@link ensureStream} does.
 */
export async function restoreStream(bus: Bus, name: string, storage: StorageSettings): Promise<void> {
  const declaration = STREAMS.find((stream) => stream.name === name && !isEventStream(name));
  if (declaration === undefined) return;
  await ensureStream(bus, await streamManagerOf(bus), declaration, storage);
}
