/**
 * The streams and buckets that BioXen keeps on a server, and the settings that an installation can choose for them:
 * number of copies and maximum size.
 */
import { EVENT_STREAM, STREAMS, type StreamDeclaration } from "@bioxen/contracts";
import type { StreamInfo } from "@nats-io/jetstream";

const NANOS_PER_MS = 1_000_000;

/** A KV bucket: each key keeps its last value only. */
export interface BucketDeclaration {
  readonly name: string;
  readonly description: string;
  /** Time for which a value is kept, ms; 0: for ever. */
  readonly ttlMs: number;
}

export const LEASE_BUCKET = "bioxen-leases";

export const BUCKETS = {
  leases: {
    name: LEASE_BUCKET,
    description: "The lease holder of each service; see docs/adr/0005-leases.md",
    ttlMs: 0,
  },
  outcomes: {
    name: "bioxen-first-outcomes",
    description: "First outcomes of commands that carry a message id",
    // The contract promises 2 minutes; twice that time allows for skewed clocks and slow callers.
    ttlMs: 240_000,
  },
  logRecord: {
    name: "bioxen-log-record",
    description: "What is known of the event log; see docs/adr/0021-a-record-of-the-log.md",
    ttlMs: 0,
  },
  snapshots: {
    name: "bioxen-fold-snapshots",
    description: "States of all aggregates after one event: a cache, safe to delete",
    ttlMs: 0,
  },
} as const satisfies Record<string, BucketDeclaration>;

/** Returns the declaration of the stream behind a bucket, as the client's own KV code would create it. */
export function bucketStream({ name, description, ttlMs }: BucketDeclaration): StreamDeclaration {
  return {
    name: `KV_${name}`,
    subjects: [`$KV.${name}.>`],
    description,
    retention: "limits",
    storage: "file",
    discard: "new",
    max_age: ttlMs * NANOS_PER_MS,
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: 1,
    allow_direct: true,
    allow_rollup_hdrs: true,
  };
}

/** Every stream of BioXen, those behind buckets included. */
export const ALL_STREAMS: readonly StreamDeclaration[] = [
  ...STREAMS,
  ...Object.values(BUCKETS).map(bucketStream),
];
export const STREAM_NAMES: readonly string[] = ALL_STREAMS.map(({ name }) => name);

/** What an installation asks of its server for every stream. */
export interface StorageSettings {
  /** Number of servers that have a copy of each stream; default 1. */
  readonly replicas?: number | undefined;
  /**
   * Largest size of a stream by its name, bytes; the entry `*` is for all others. A stream without an entry has no
   * limit.
   */
  readonly maxBytes?: Readonly<Record<string, number>> | undefined;
}

/** Returns the configuration that an installation wants for a stream. */
export function wantedConfig(
  declaration: StreamDeclaration,
  { replicas = 1, maxBytes = {} }: StorageSettings,
): StreamDeclaration {
  const limit = maxBytes[declaration.name] ?? maxBytes["*"];
  return {
    ...declaration,
    subjects: [...declaration.subjects],
    num_replicas: replicas,
    ...(limit === undefined ? {} : { max_bytes: limit }),
  };
}

export interface Copies {
  readonly wanted: number;
  /** Number of servers that have a current copy now. */
  readonly present: number;
}

/** Returns the configured number of copies of a stream, and the number of copies that are current now. */
export function copiesOf({ config, cluster }: StreamInfo): Copies {
  const followers = (cluster?.replicas ?? []).filter(({ current, offline }) => current && offline !== true);
  const leader = cluster === undefined || cluster.leader ? 1 : 0;
  return { wanted: config.num_replicas, present: leader + followers.length };
}

/** True when the server of this stream belongs to no cluster. A stream then has one copy, whatever the settings say. */
export function isOnSingleServer({ cluster }: StreamInfo): boolean {
  return cluster?.name === undefined;
}

/** True for the stream whose loss is the loss of all state. The others are created again when they are gone. */
export function isEventStream(name: string): boolean {
  return name === EVENT_STREAM;
}
