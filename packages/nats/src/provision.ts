/**
 * Creates the streams and buckets of BioXen with the rights of a provisioner, for a server on which services may create
 * none. A second run repairs drift and changes nothing else.
 */
import { EVENT_STREAM, EVENT_SUBJECTS } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
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
  const republish = { src: EVENT_SUBJECTS, dest: EVENT_SUBJECTS.replace(/^bioxen\.evt/, republishTo) };
  const log = await presentStream(jsm, EVENT_STREAM);
  if (log?.config.republish?.dest !== republish.dest) await jsm.streams.update(EVENT_STREAM, { republish });
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

/** Where the mirror finds the log: the prefix of the API of its account, and that of the subjects of deliveries. */
export interface MirrorSource {
  readonly api: string;
  readonly deliver: string;
}

/**
 * Creates the mirror of the event log in the account of `bus`, with the same name and sequences. Throws `Fault`
 * UNAVAILABLE when the server refuses the mirror, or when a stream of this name exists that is no mirror.
 */
export async function provisionMirror(
  bus: Bus,
  source: MirrorSource,
  { replicas = 1 }: StorageSettings = {},
): Promise<void> {
  await onceReady("cannot create the mirror of the event log", async () => {
    const jsm = await streamManagerOf(bus);
    const present = await presentStream(jsm, EVENT_STREAM);
    if (present === undefined) {
      await jsm.streams.add({
        name: EVENT_STREAM,
        description: "A mirror of the event log, for consumers of agents and principals",
        mirror: { name: EVENT_STREAM, external: { api: source.api, deliver: source.deliver } },
        num_replicas: replicas,
        allow_direct: true,
      });
    } else if (present.config.mirror === undefined) {
      const message = `stream ${EVENT_STREAM} of this account is no mirror: remove it`;
      throw new Fault("UNAVAILABLE", message, { retryable: false });
    }
  });
}
