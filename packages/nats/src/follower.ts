/**
 * Following the log on this thread, with an ordered consumer of the client: live, and from wherever one was.
 *
 * A consumer lives on one server of a cluster. When that one dies the client asks about it, is told that it is out of reach rather than
 * gone, and asks again when its pull would have ended, until the server is back. So silence is watched here too, and a consumer that
 * says nothing is given up for another, which begins after the last event that was delivered.
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
import { isStreamNotFound } from "./server-codes.ts";
import { sleep } from "./sleep.ts";

/** Messages asked for at once while following: keeps the pipe full at 250 000 events/s. */
export const FOLLOW_BATCH = 10_000;
/**
 * A follower's consumer lives in the server's memory and dies with it. Two missed heartbeats, ms, and the client makes
 * another from where it was: a restarted server is followed again within about twice this.
 */
export const FOLLOW_HEARTBEAT_MS = 750;
/**
 * Without a word for this long, ms, while the connection is up, a consumer is given up: well after the client's own two heartbeats, so
 * that what it can mend it has mended. Both at once leave a consumer behind.
 */
const SILENCE_LIMIT_MS = 5 * FOLLOW_HEARTBEAT_MS;
/** Between two tries to make a consumer, ms: a cluster without a leader refuses at once. */
const REOPEN_WAIT_MS = 250;
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

export interface DirectOptions extends FollowOptions {
  readonly js: JetStreamClient;
  /** The connection is up: silence means something. */
  readonly connected: () => boolean;
  /** The last sequence of what is wanted and stored now. */
  readonly endSeq: number;
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
  /** Counts up with every consumer; what an earlier one still delivers is passed over. */
  #generation = 0;
  #heardAtMs = performance.now();
  #watching: ReturnType<typeof setInterval> | undefined;
  #reopening = false;
  #ending: Promise<void> | undefined;

  constructor(options: DirectOptions) {
    this.#options = options;
    this.#nextSeq = options.fromSeq;
    this.#caughtUp = options.endSeq < options.fromSeq;
  }

  /** Rejects when no consumer can be made; from then on it goes on by itself. */
  async begin(): Promise<void> {
    const consumer = await this.#make();
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
    if (reading !== undefined) await forget(reading.consumer);
  }

  #make(): Promise<Consumer> {
    return orderedConsumer(this.#options.js, this.#nextSeq, this.#options.filter);
  }

  async #read(consumer: Consumer): Promise<void> {
    this.#generation += 1;
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
    // A consumer that was to begin beyond the end begins at the end.
    if (message.seq < this.#nextSeq) return;
    const { onEvent, onCaughtUp, onStop, endSeq } = this.#options;
    try {
      onEvent(decodeEvent(message.data, message.seq, message.subject));
    } catch (cause) {
      void this.stop();
      onStop(cause);
      return;
    }
    this.#nextSeq = message.seq + 1;
    if (!this.#caughtUp && message.seq >= endSeq) {
      this.#caughtUp = true;
      onCaughtUp();
    }
  }

  /** After `ordered_consumer_recreated` the first message is still to come; after `stream_not_found` there is none. */
  async #listen(messages: ConsumerMessages, isCurrent: () => boolean): Promise<void> {
    for await (const { type } of messages.status()) {
      if (!isCurrent()) return;
      if (type === "heartbeat") this.#heardAtMs = performance.now();
      if (type !== "ordered_consumer_recreated" && type !== "stream_not_found") continue;
      this.#heardAtMs = performance.now();
      this.#options.onInterrupted?.();
    }
  }

  #watch(): void {
    const nowMs = performance.now();
    // The client looks after its consumers when it is connected again, and has its time for it.
    if (!this.#options.connected()) this.#heardAtMs = nowMs;
    if (nowMs - this.#heardAtMs > SILENCE_LIMIT_MS && !this.#reopening) void this.#reopen();
  }

  async #reopen(): Promise<void> {
    this.#reopening = true;
    const silent = this.#reading;
    this.#generation += 1;
    this.#reading = undefined;
    void silent?.messages.close();
    if (silent !== undefined) void forget(silent.consumer);
    // Before another is made: who leaves now leaves none behind that is only just being made.
    this.#options.onInterrupted?.();
    while (this.#ending === undefined) {
      try {
        const consumer = await this.#make();
        if (this.#ending === undefined) await this.#read(consumer);
        else await forget(consumer);
        break;
      } catch (cause) {
        if (isStreamNotFound(cause)) this.#options.onInterrupted?.();
        await sleep(REOPEN_WAIT_MS);
      }
    }
    this.#reopening = false;
  }
}

/** An ordered consumer that is only left stays with the server for minutes. */
export function forget(consumer: Consumer): Promise<void> {
  return settledWithin(consumer.delete(), FORGET_TIMEOUT_MS);
}
