/**
 * Tells tenants about the stream of the feed. A client of JetStream asks for the description of a stream before it
 * creates a consumer. The server's own answer can list the subjects in the stream, and with them the VMs of all tenants,
 * so the request of a tenant arrives here.
 */
import { ARRIVING_FEED_INFO, FEED_STREAM, feedSubjects, mappedParts } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import type { Msg } from "@nats-io/nats-core";
import type { Bus } from "./bus.ts";
import { streamManagerOf } from "./jet-stream.ts";
import { verdictOf } from "./reply-subjects.ts";

const QUEUE = "bioxen-feed-info";
/** The type of JetStream's own answer. */
const TYPE = "io.nats.jetstream.api.v1.stream_info_response";

/** Answers the requests of tenants until `stop`. */
export async function openFeedInfo(bus: Bus): Promise<{ stop(): Promise<void> }> {
  const jsm = await streamManagerOf(bus);
  const answer = async (message: Msg): Promise<void> => {
    const { reply = "" } = message;
    const tenant = mappedParts(message.subject)?.identity.name;
    if (tenant === undefined || reply === "" || verdictOf(reply) !== "accepted") return;
    try {
      const { config, created, state } = await jsm.streams.info(FEED_STREAM);
      const { name, retention, storage, num_replicas } = config;
      const { first_seq, last_seq } = state;
      const info = {
        type: TYPE,
        config: { name, subjects: [feedSubjects(tenant, "*").events], retention, storage, num_replicas },
        created,
        state: {
          messages: Math.max(0, last_seq - first_seq + 1),
          bytes: 0,
          first_seq,
          last_seq,
          consumer_count: 0,
        },
      };
      message.respond(JSON.stringify(info));
    } catch (cause) {
      message.respond(JSON.stringify({ type: TYPE, error: { code: 503, description: messageOf(cause) } }));
    }
  };
  const subscription = bus.connection.subscribe(ARRIVING_FEED_INFO, {
    queue: QUEUE,
    callback: (error, message) => {
      if (error === null) void answer(message);
    },
  });
  await bus.connection.flush();
  return { stop: () => subscription.drain() };
}
