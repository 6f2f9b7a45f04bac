/**
 * Opens KV buckets with as many replicas as the log has. When a single server has become a cluster, its buckets get
 * their replicas here: without them the death of one server would lose the leases and the first outcomes of commands.
 */
import { type JetStreamOptions, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type KV, Kvm, type KvOptions } from "@nats-io/kv";
import type { Bus } from "./bus.ts";

export type BucketOptions = Partial<Pick<KvOptions, "ttl" | "description">> & { readonly replicas: number };

/** Opens or creates the bucket, and raises its replicas to `replicas`. Each key keeps its last value only. */
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
