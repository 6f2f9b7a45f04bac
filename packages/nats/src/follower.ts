/**
 * Follows the log on this thread with an ordered consumer of the client, from any sequence on and then live.
 *
 * A consumer belongs to one server of a cluster. When that server dies, the client learns that the consumer is
 * unreachable. The client keeps this consumer until the server is back, and retries only at the end of a pull request.
 * This file therefore watches for silence too: it replaces a silent consumer by a new one that starts after the last
 * delivered event.
 */
import { decodeMessage, EVENT_STREAM } from "@bioxen/contracts";
import { deliverTo, Fault, type Following, type FollowOptions } from "@bioxen/kernel";
import {
  type Consumer,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JsMsg,
} from "@nats-io/jetstream";
import { isStreamNotFound } from "./server-codes.ts";
import { settledWithin } from "./settled-within.ts";
import { sleep } from "./sleep.ts";

/** Number of messages that one pull requests: enough for 250 000 events/s. */
export const FOLLOW_BATCH = 10_000;
/**
 * Heartbeat of the consumer, ms. The consumer lives in the server's memory and is lost when the server stops. After two
 * missed heartbeats the client creates another consumer at the same position, so a restarted server is followed again
 * within about twice this time.
 */
export const FOLLOW_HEARTBEAT_MS = 750;
/**
 * Silence after which a consumer is replaced while the connection is up, ms. The client itself replaces a consumer
 * after two missed heartbeats, and this time is well above that. Two replacements at the same time would leave an
 * unused consumer on the server.
 */
const SILENCE_LIMIT_MS = 5 * FOLLOW_HEARTBEAT_MS;
/** Wait between two tries to create a consumer, ms: a cluster without a leader refuses at once. */
const REOPEN_WAIT_MS = 250;
/** Longest life of one pull request, ms; the client then sends the next one. */
export const FOLLOW_EXPIRES_MS = 15_000;
/** Longest wait for the deletion of a consumer, ms; the server deletes it 5 minutes after the last pull anyway. */
const DELETE_TIMEOUT_MS = 1_000;

export function orderedConsumer(
  js: JetStreamClient,
  fromSeq: number,
  filter?: string,
  stream: string = EVENT_STREAM,
): Promise<Consumer> {
  return js.consumers.get(stream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: fromSeq,
    ...(filter === undefined ? {} : { filter_subjects: filter }),
  });
}

export interface DirectOptions extends FollowOptions {
  readonly js: JetStreamClient;
  /** Returns true while the connection is up. Silence has a meaning only then. */
  readonly connected: () => boolean;
  /**
   * Sequence of the last event on `filter` that was stored when the call began. Undefined: the consumer tells how many
   * events are pending.
   */
  readonly endSeq: number | undefined;
  /** The stream to read; default: the event log. */
  readonly stream?: string;
  /**
   * Makes a consumer that begins at a sequence; default: an ordered consumer of the client, with a random name. The
   * client checks the order of ordered consumers only, so the order of any other one is checked here.
   */
  readonly makeConsumer?: (fromSeq: number) => Promise<Consumer>;
  /** Returns the subject in the log for a subject of the stream; default: the same. */
  readonly loggedSubject?: (subject: string) => string;
}

export async function followDirectly(options: DirectOptions): Promise<Following> {
  const following = new DirectFollowing(options);
  await following.begin();
  return following;
}

interface Reading {
  readonly consumer: Consumer;
  readonly messages: ConsumerMessages;
}

class DirectFollowing implements Following {
  readonly #options: DirectOptions;
  #nextSeq: number;
  #caughtUp: boolean;
  #reading: Reading | undefined;
  /** Number of the current consumer; messages of earlier consumers are ignored. */
  #generation = 0;
  /** Number of messages that the current consumer has delivered. */
  #delivered = 0;
  #heardAtMs = performance.now();
  #watching: ReturnType<typeof setInterval> | undefined;
  #reopening = false;
  #ending: Promise<void> | undefined;

  constructor(options: DirectOptions) {
    this.#options = options;
    this.#nextSeq = options.fromSeq;
    this.#caughtUp = options.endSeq !== undefined && options.endSeq < options.fromSeq;
  }

  /** Begins to follow. Rejects when no consumer can be created; later failures are repaired. */
  async begin(): Promise<void> {
    const consumer = await this.#make();
    if (this.#options.endSeq === undefined) this.#caughtUp = (await consumer.info(true)).num_pending === 0;
    if (this.#caughtUp) this.#options.onCaughtUp();
    await this.#read(consumer);
    this.#watching = setInterval(() => this.#watch(), FOLLOW_HEARTBEAT_MS);
  }

  stop(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    clearInterval(this.#watching);
    const reading = this.#reading;
    await reading?.messages.close();
    if (reading !== undefined) await deleteConsumer(reading.consumer);
  }

  #make(): Promise<Consumer> {
    const { js, filter, stream, makeConsumer } = this.#options;
    if (makeConsumer !== undefined) return makeConsumer(this.#nextSeq);
    return orderedConsumer(js, this.#nextSeq, filter, stream);
  }

  async #read(consumer: Consumer): Promise<void> {
    this.#generation += 1;
    this.#delivered = 0;
    const generation = this.#generation;
    const isCurrent = () => this.#ending === undefined && generation === this.#generation;
    const messages = await consumer.consume({
      max_messages: this.#options.window ?? FOLLOW_BATCH,
      expires: FOLLOW_EXPIRES_MS,
      idle_heartbeat: FOLLOW_HEARTBEAT_MS,
      callback: (message) => {
        if (isCurrent()) this.#deliver(message);
      },
    });
    this.#reading = { consumer, messages };
    this.#heardAtMs = performance.now();
    void this.#listen(messages, isCurrent);
    messages.closed().then(
      (cause) => {
        if (!isCurrent()) return;
        clearInterval(this.#watching);
        this.#options.onStop(
          cause ?? new Fault("UNAVAILABLE", "the event feed was closed", { retryable: true }),
        );
      },
      () => undefined,
    );
  }

  #deliver(message: JsMsg): void {
    this.#heardAtMs = performance.now();
    this.#delivered += 1;
    if (this.#misses(message.info.deliverySequence)) return;
    // A consumer that should start beyond the end of the log starts at the log's last message: ignore that message.
    if (message.seq < this.#nextSeq) return;
    const { onCaughtUp, onStop, endSeq, loggedSubject = (subject) => subject } = this.#options;
    try {
      deliverTo(this.#options, decodeMessage(message.data, message.seq, loggedSubject(message.subject)));
    } catch (cause) {
      void this.stop();
      onStop(cause);
      return;
    }
    this.#nextSeq = message.seq + 1;
    if (!this.#caughtUp && (endSeq === undefined ? message.info.pending === 0 : message.seq >= endSeq)) {
      this.#caughtUp = true;
      onCaughtUp();
    }
  }

  /**
   * Calls `onInterrupted` when the client reports a new consumer or a missing stream. `ordered_consumer_recreated`
   * precedes the first message of the new consumer; after `stream_not_found` no message follows.
   */
  async #listen(messages: ConsumerMessages, isCurrent: () => boolean): Promise<void> {
    for await (const status of messages.status()) {
      if (!isCurrent()) return;
      const { type } = status;
      if (status.type === "heartbeat") {
        this.#heardAtMs = performance.now();
        this.#misses(status.lastConsumerSequence);
      }
      if (type !== "ordered_consumer_recreated" && type !== "stream_not_found") continue;
      this.#heardAtMs = performance.now();
      this.#options.onInterrupted?.();
    }
  }

  /**
   * Returns true when a message of the consumer did not arrive: the server counts more of them. Messages to a lost
   * connection are not sent again, so another consumer then begins after the last message that arrived.
   */
  #misses(sentMessages: number): boolean {
    if (this.#options.makeConsumer === undefined || !(sentMessages > this.#delivered)) return false;
    if (!this.#reopening) void this.#reopen();
    return true;
  }

  #watch(): void {
    const nowMs = performance.now();
    // Silence counts only from the reconnect on, so that the client has time to repair its own consumers first.
    if (!this.#options.connected()) this.#heardAtMs = nowMs;
    if (nowMs - this.#heardAtMs > SILENCE_LIMIT_MS && !this.#reopening) void this.#reopen();
  }

  async #reopen(): Promise<void> {
    this.#reopening = true;
    const silent = this.#reading;
    this.#generation += 1;
    this.#reading = undefined;
    void silent?.messages.close();
    if (silent !== undefined) void deleteConsumer(silent.consumer);
    // Tell the reader before the next consumer is created: if the reader then stops, no consumer is left behind.
    this.#options.onInterrupted?.();
    while (this.#ending === undefined) {
      try {
        const consumer = await this.#make();
        if (this.#ending === undefined) await this.#read(consumer);
        else await deleteConsumer(consumer);
        break;
      } catch (cause) {
        if (isStreamNotFound(cause)) this.#options.onInterrupted?.();
        await sleep(REOPEN_WAIT_MS);
      }
    }
    this.#reopening = false;
  }
}

/** Deletes the consumer on the server, which would otherwise keep it for minutes. */
export function deleteConsumer(consumer: Consumer): Promise<void> {
  return settledWithin(consumer.delete(), DELETE_TIMEOUT_MS);
}
