/**
 * Following the log on this thread, with an ordered consumer of the client: live, and from wherever one was.
 */
import { decodeEvent, EVENT_STREAM } from "@bioxen/contracts";
import { Fault, type Following, type FollowOptions } from "@bioxen/kernel";
import {
  type Consumer,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JsMsg,
} from "@nats-io/jetstream";
import { settledWithin } from "./patience.ts";

/** Messages asked for at once while following: keeps the pipe full at 250 000 events/s. */
export const FOLLOW_BATCH = 10_000;
/**
 * A follower's consumer lives in the server's memory and dies with it. Two missed heartbeats, ms, and the client makes
 * another from where it was: a restarted server is followed again within about twice this.
 */
export const FOLLOW_HEARTBEAT_MS = 750;
/** Longest life of one pull request, ms; the next is sent by the client. */
export const FOLLOW_EXPIRES_MS = 15_000;
/** Longest wait for the server to forget a follower, ms; it does so by itself 5 minutes after the last pull. */
const FORGET_TIMEOUT_MS = 1_000;

export function orderedConsumer(js: JetStreamClient, fromSeq: number, filter?: string): Promise<Consumer> {
  return js.consumers.get(EVENT_STREAM, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: fromSeq,
    ...(filter === undefined ? {} : { filter_subjects: filter }),
  });
}

/** `endSeq`: the last sequence of what is wanted and stored now. */
export async function followDirectly(
  js: JetStreamClient,
  options: FollowOptions,
  endSeq: number,
): Promise<Following> {
  const consumer = await orderedConsumer(js, options.fromSeq, options.filter);
  let caughtUp = endSeq < options.fromSeq;
  if (caughtUp) options.onCaughtUp();
  let messages: ConsumerMessages | undefined;
  let ending: Promise<void> | undefined;
  const end = async () => {
    await messages?.close();
    await forget(consumer);
  };
  const stop = () => {
    ending ??= end();
    return ending;
  };
  const deliver = (message: JsMsg) => {
    // A consumer that was to begin beyond the end begins at the end.
    if (ending !== undefined || message.seq < options.fromSeq) return;
    try {
      options.onEvent(decodeEvent(message.data, message.seq, message.subject));
    } catch (cause) {
      void stop();
      options.onStop(cause);
      return;
    }
    if (!caughtUp && message.seq >= endSeq) {
      caughtUp = true;
      options.onCaughtUp();
    }
  };
  messages = await consumer.consume({
    max_messages: options.window ?? FOLLOW_BATCH,
    expires: FOLLOW_EXPIRES_MS,
    idle_heartbeat: FOLLOW_HEARTBEAT_MS,
    callback: deliver,
  });
  if (options.onInterrupted !== undefined) void tellInterruptions(messages, options.onInterrupted);
  messages.closed().then(
    (cause) => {
      if (ending === undefined)
        options.onStop(cause ?? new Fault("UNAVAILABLE", "the event feed was closed", { retryable: true }));
    },
    () => undefined,
  );
  return { stop };
}

/** After `ordered_consumer_recreated` the first message is still to come; after `stream_not_found` there is none. */
async function tellInterruptions(messages: ConsumerMessages, onInterrupted: () => void): Promise<void> {
  for await (const { type } of messages.status()) {
    if (type === "ordered_consumer_recreated" || type === "stream_not_found") onInterrupted();
  }
}

/** An ordered consumer that is only left stays with the server for minutes. */
export function forget(consumer: Consumer): Promise<void> {
  return settledWithin(consumer.delete(), FORGET_TIMEOUT_MS);
}
