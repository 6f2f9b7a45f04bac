/**
 * Creates the streams and buckets of BioXen with the rights of a provisioner, for a server on which services may create
 * none. A second run repairs drift and changes nothing else.
 */
import { EVENT_STREAM, EVENT_SUBJECTS, FEED_STREAM, FEED_SUBJECTS, STORED_FEED } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { type JetStreamManager, PersistMode } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { openLogGuard } from "./guarded-log.ts";
import { streamManagerOf } from "./jet-stream.ts";
import type { LogRecordPlace } from "./log-record.ts";
import { onceReady } from "./ready.ts";
import { BUCKETS, bucketStream, type StorageSettings } from "./storage.ts";
import { presentStream } from "./stream-state.ts";
import { ensureStream, openEventLog } from "./streams.ts";

export interface ProvisionOptions extends LogRecordPlace {
  /** Prefix under which the server publishes each stored event again, for plain subscribers in other accounts. */
  readonly republishTo: string;
}

/**
 * Creates or repairs every stream and bucket, and writes the record of a new log. Throws `Fault` CONFLICT for a damaged
 * log, and as `openEventLog` does.
 */
export async function provisionStreams({ republishTo, ...place }: ProvisionOptions): Promise<void> {
  const { bus, storage = {} } = place;
  await openEventLog(bus, storage);
  const jsm = await streamManagerOf(bus);
  await republish(jsm, EVENT_STREAM, EVENT_SUBJECTS, republishTo);
  await republish(jsm, FEED_STREAM, FEED_SUBJECTS, STORED_FEED);
  for (const bucket of Object.values(BUCKETS)) await ensureStream(bus, jsm, bucketStream(bucket), storage);
  const guard = await openLogGuard({
    ...place,
    writes: true,
    onDamage: () => undefined,
    onDrift: () => undefined,
    repair: async () => undefined,
  });
  await guard.end();
}

/** Lets the server publish each message of a stream again, with `prefix` in place of the first two tokens of `subjects`. */
async function republish(
  jsm: JetStreamManager,
  stream: string,
  subjects: string,
  prefix: string,
): Promise<void> {
  const wanted = { src: subjects, dest: `${prefix}.>` };
  const present = await presentStream(jsm, stream);
  if (present?.config.republish?.dest === wanted.dest) return;
  await jsm.streams.update(stream, { republish: wanted });
}

/** Where the mirror finds the log: the prefix of the API of its account, and that of the subjects of deliveries. */
export interface MirrorSource {
  readonly api: string;
  readonly deliver: string;
}

/**
 * Creates the mirrors of the event log and of the feed of tenants in the account of `bus`, with the same names and
 * sequences. A mirror with fewer replicas gets the missing ones. Throws `Fault` UNAVAILABLE when the server refuses a
 * mirror, or when a stream of its name is no mirror.
 */
export async function provisionMirror(
  bus: Bus,
  source: MirrorSource,
  { replicas = 1 }: StorageSettings = {},
): Promise<void> {
  for (const stream of [EVENT_STREAM, FEED_STREAM]) await mirror(bus, stream, source, replicas);
}

async function mirror(bus: Bus, stream: string, source: MirrorSource, replicas: number): Promise<void> {
  await onceReady(`cannot create the mirror of ${stream}`, async () => {
    const jsm = await streamManagerOf(bus);
    const present = await presentStream(jsm, stream);
    if (present === undefined) {
      await jsm.streams.add({
        name: stream,
        description: `A mirror of ${stream}, for consumers of agents and principals`,
        mirror: { name: stream, external: { api: source.api, deliver: source.deliver } },
        num_replicas: replicas,
        allow_direct: stream === EVENT_STREAM,
        // The log is synced already. A mirror that a power cut has shortened reads the lost end from the log again.
        // The server has this mode for streams with one copy; before 2.12 it ignores the setting.
        ...(replicas === 1 ? { persist_mode: PersistMode.Async } : {}),
      });
    } else if (present.config.mirror === undefined) {
      const message = `stream ${stream} of this account is no mirror: remove it`;
      throw new Fault("UNAVAILABLE", message, { retryable: false });
    } else if (present.config.num_replicas < replicas) {
      await jsm.streams.update(stream, { num_replicas: replicas });
    }
  });
}
