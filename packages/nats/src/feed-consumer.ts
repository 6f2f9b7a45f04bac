/**
 * The consumers by which a tenant follows its feed. The server lets each tenant use a fixed set of names, so that no other
 * tenant can read or delete its consumers. A process takes the first free name of the set. Also runs in browsers.
 */
import { FEED_READERS, FEED_STREAM, feedConsumers } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { AckPolicy, type Consumer, DeliverPolicy } from "@nats-io/jetstream";
import { nanos, nuid } from "@nats-io/nats-core";
import type { Bus } from "./bus.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isConsumerNameTaken } from "./server-codes.ts";

/**
 * Time after its last pull at which the server deletes a consumer, ms. A reader pulls at least every 15 s. The name of a
 * process that was killed is free again after this time.
 */
const INACTIVE_MS = 60_000;

/** What of the feed of a tenant a consumer delivers. */
export interface FeedPart {
  readonly tenant: string;
  readonly filter: string;
  /** Sequence of the first message. */
  readonly fromSeq: number;
}

/** Creates a consumer under a free name. Throws `Fault` UNAVAILABLE when the tenant uses all of its names. */
export async function createFeedConsumer(bus: Bus, { tenant, filter, fromSeq }: FeedPart): Promise<Consumer> {
  const { consumers } = await streamManagerOf(bus);
  const names = feedConsumers(tenant);
  // Processes that begin at the same time try different names first.
  const first = Math.floor(Math.random() * names.length);
  for (const name of [...names.slice(first), ...names.slice(0, first)]) {
    try {
      await consumers.add(FEED_STREAM, {
        name,
        filter_subject: filter,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: fromSeq,
        ack_policy: AckPolicy.None,
        inactive_threshold: nanos(INACTIVE_MS),
        mem_storage: true,
        num_replicas: 1,
        // The server takes the creation of an equal consumer for a repetition, and two readers would share it.
        metadata: { reader: nuid.next() },
      });
    } catch (cause) {
      if (isConsumerNameTaken(cause)) continue;
      throw cause;
    }
    return jetStreamOf(bus).consumers.get(FEED_STREAM, name);
  }
  const message = `${tenant} has ${FEED_READERS} readers of its feed, which is the most: end one of them`;
  throw new Fault("UNAVAILABLE", message, { retryable: true });
}
