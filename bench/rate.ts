/**
 * Rates of calls, and the rate of raw NATS that they are compared with.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

/** Size of each message in the measurement of raw NATS, bytes. It equals the size of a `created` event. */
const RAW_BYTES = 700;

/** Calls `work` `count` times, with at most `underWay` calls at once. Returns the rate, calls per second. */
export async function rateOf(
  count: number,
  underWay: number,
  work: (i: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  const worker = async () => {
    for (let i = next; i < count; i = next) {
      next += 1;
      await work(i);
    }
  };
  await Promise.all(Array.from({ length: underWay }, worker));
  return (count * 1000) / (performance.now() - startedAt);
}

/** Publishes `count` messages to a stream on the server at `url`. Returns the rate, messages per second. */
export async function rawPublishRate(url: string, count: number, underWay: number): Promise<number> {
  const raw = await connect({ servers: url });
  try {
    const manager = await jetstreamManager(raw);
    await manager.streams.add({ name: "BENCH_RAW", subjects: ["bench.raw.>"] });
    const payload = "x".repeat(RAW_BYTES);
    const js = jetstream(raw);
    return await rateOf(count, underWay, (i) => js.publish(`bench.raw.${i}`, payload));
  } finally {
    await raw.close();
  }
}
