/**
 * KV buckets as they must be. One of a single server that became a cluster is replicated as the log is: the death of the server that it
 * is on would take the leases and the first outcomes of commands with it.
 */
import { type JetStreamOptions, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type KV, Kvm, type KvOptions } from "@nats-io/kv";
import type { Bus } from "./bus.ts";

export type BucketOptions = Partial<Pick<KvOptions, "ttl" | "description">> & { readonly replicas: number };

/** The bucket, made or with its copies made up to `replicas`; each key keeps its last value only. */
export async function openBucket(
  bus: Bus,
  name: string,
  options: BucketOptions,
  calls: JetStreamOptions = {},
): Promise<KV> {
  const bucket = await new Kvm(jetstream(bus.connection, calls)).create(name, { history: 1, ...options });
  const { streams } = await jetstreamManager(bus.connection, calls);
  const stream = `KV_${name}`;
  const { config } = await streams.info(stream);
  if (config.num_replicas < options.replicas) {
    await streams.update(stream, { ...config, num_replicas: options.replicas });
  }
  return bucket;
}
