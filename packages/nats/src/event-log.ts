/**
 * The event log on JetStream.
 *
 * Optimistic concurrency is the server's: `Nats-Expected-Last-Subject-Sequence`, where the sequence is the *stream's*
 * sequence of the subject's last message. An acknowledgement that got lost leaves the append in doubt; the same
 * message is sent again, and when the server then says "wrong last sequence" (2.12 and newer check that before the
 * message id) the subject's last event tells whether it was ours. See docs/adr/0002-event-log.md.
 */
import { decodeEvent, digestOf, EVENT_STREAM, encodeEvent } from "@bioxen/contracts";
import {
  type AppendResult,
  type EventEnvelope,
  type EventLog,
  Fault,
  type Following,
  type FollowOptions,
  messageOf,
  type StoredEvent,
} from "@bioxen/kernel";
import {
  type Consumer,
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  type StoredMsg,
} from "@nats-io/jetstream";

/** Longest wait for one acknowledgement, ms; a synced append takes about 0.4 ms on the machines measured. */
const ACK_TIMEOUT_MS = 2_000;
/** When an append's outcome could not be learnt for this long, the caller is told, ms. */
const APPEND_DEADLINE_MS = 8_000;
const RETRY_WAIT_MS = 100;
/** A server that dies in the middle of a read is back within this, ms, or the reader is told. */
const READ_DEADLINE_MS = 10_000;
/** Messages asked for at once while following: keeps the pipe full at 250 000 events/s. */
const FOLLOW_BATCH = 10_000;
/**
 * A follower's consumer lives in the server's memory and dies with it. Two missed heartbeats, ms, and the client makes
 * another from where it was: a restarted server is followed again within about twice this.
 */
const FOLLOW_HEARTBEAT_MS = 750;
/** Longest life of one pull request, ms; the next is sent by the client. */
const FOLLOW_EXPIRES_MS = 15_000;
/** Longest wait for the server to forget a follower, ms; it does so by itself 5 minutes after the last pull. */
const FORGET_TIMEOUT_MS = 1_000;
/** Server's codes for a failed expectation, standalone and clustered. */
const WRONG_LAST_SEQUENCE = new Set([10_071, 10_164]);
const MESSAGE_NOT_FOUND = 10_037;

export class JetStreamEventLog implements EventLog {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;

  constructor(js: JetStreamClient, jsm: JetStreamManager) {
    this.#js = js;
    this.#jsm = jsm;
  }

  async append(streamSubject: string, envelope: EventEnvelope, expectedSeq: number): Promise<AppendResult> {
    const bytes = encodeEvent(envelope);
    const deadline = Date.now() + APPEND_DEADLINE_MS;
    for (;;) {
      try {
        const ack = await this.#js.publish(streamSubject, bytes, {
          msgID: envelope.id,
          expect: { streamName: EVENT_STREAM, lastSubjectSequence: expectedSeq },
          timeout: ACK_TIMEOUT_MS,
        });
        return { kind: "appended", seq: ack.seq, digest: digestOf(bytes) };
      } catch (cause) {
        if (cause instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(cause.code)) {
          return await this.#lostOrLate(streamSubject, envelope);
        }
        if (cause instanceof JetStreamApiError || Date.now() + RETRY_WAIT_MS >= deadline) {
          throw new Fault(
            "UNAVAILABLE",
            `the event log did not confirm ${envelope.type}: ${messageOf(cause)}`,
            {
              retryable: true,
              cause,
            },
          );
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_WAIT_MS));
      }
    }
  }

  /** The expectation failed: another's event, or ours whose acknowledgement got lost? */
  async #lostOrLate(streamSubject: string, envelope: EventEnvelope): Promise<AppendResult> {
    const last = await this.#lastOf(streamSubject);
    return last?.envelope.id === envelope.id
      ? { kind: "appended", seq: last.seq, digest: last.digest }
      : { kind: "conflict" };
  }

  async #lastOf(streamSubject: string): Promise<StoredEvent | undefined> {
    const message = await this.#lastMessageOf(streamSubject);
    return message === undefined ? undefined : decodeEvent(message.data, message.seq, message.subject);
  }

  async #lastMessageOf(filter: string): Promise<StoredMsg | undefined> {
    try {
      return (await this.#jsm.streams.getMessage(EVENT_STREAM, { last_by_subj: filter })) ?? undefined;
    } catch (cause) {
      if (cause instanceof JetStreamApiError && cause.code === MESSAGE_NOT_FOUND) return undefined;
      throw asLogFault(cause);
    }
  }

  async read(
    streamSubject: string,
    afterSeq: number,
    untilSeq = Number.POSITIVE_INFINITY,
  ): Promise<readonly StoredEvent[]> {
    const last = await this.#lastOf(streamSubject);
    if (last === undefined || last.seq <= afterSeq || untilSeq <= afterSeq) return [];
    if (last.envelope.aggregateversion === 1 || last.seq === afterSeq + 1) {
      return last.seq <= untilSeq ? [last] : [];
    }
    return this.#readUntil(streamSubject, afterSeq, Math.min(last.seq, untilSeq));
  }

  /** Events of one subject after `afterSeq` up to `endSeq`; the subject has one at `endSeq` or beyond. */
  async #readUntil(streamSubject: string, afterSeq: number, endSeq: number): Promise<readonly StoredEvent[]> {
    const consumer = await this.#orderedConsumer(afterSeq + 1, streamSubject);
    const events: StoredEvent[] = [];
    const messages = await consumer.consume({
      max_messages: FOLLOW_BATCH,
      expires: FOLLOW_EXPIRES_MS,
      idle_heartbeat: FOLLOW_HEARTBEAT_MS,
    });
    const timer = setTimeout(() => void messages.close(), READ_DEADLINE_MS);
    try {
      for await (const message of messages) {
        if (message.seq <= endSeq) events.push(decodeEvent(message.data, message.seq, message.subject));
        if (message.seq >= endSeq) return events;
      }
    } finally {
      clearTimeout(timer);
      await messages.close();
      void forget(consumer);
    }
    throw new Fault("UNAVAILABLE", `the event log did not give all of ${streamSubject} in time`, {
      retryable: true,
    });
  }

  async follow(options: FollowOptions): Promise<Following> {
    const caughtUpAt = await (options.filter === undefined
      ? this.lastSeq()
      : this.#lastSeqOf(options.filter));
    const consumer = await this.#orderedConsumer(options.fromSeq, options.filter);
    let caughtUp = caughtUpAt < options.fromSeq;
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
      if (!caughtUp && message.seq >= caughtUpAt) {
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

  async lastSeq(): Promise<number> {
    try {
      return (await this.#jsm.streams.info(EVENT_STREAM)).state.last_seq;
    } catch (cause) {
      throw asLogFault(cause);
    }
  }

  /** Sequence of the last event on any subject of `filter`, readable or not; 0: there is none. */
  async #lastSeqOf(filter: string): Promise<number> {
    return (await this.#lastMessageOf(filter))?.seq ?? 0;
  }

  #orderedConsumer(fromSeq: number, filter?: string): Promise<Consumer> {
    return this.#js.consumers.get(EVENT_STREAM, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: fromSeq,
      ...(filter === undefined ? {} : { filter_subjects: filter }),
    });
  }
}

/** After `ordered_consumer_recreated` the first message is still to come; after `stream_not_found` there is none. */
async function tellInterruptions(messages: ConsumerMessages, onInterrupted: () => void): Promise<void> {
  for await (const { type } of messages.status()) {
    if (type === "ordered_consumer_recreated" || type === "stream_not_found") onInterrupted();
  }
}

/** An ordered consumer that is only left stays with the server for minutes. */
async function forget(consumer: Consumer): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FORGET_TIMEOUT_MS);
  });
  const gone = consumer.delete().then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([gone, late]);
  clearTimeout(timer);
}

function asLogFault(cause: unknown): unknown {
  if (cause instanceof Fault) return cause;
  return new Fault("UNAVAILABLE", `the event log cannot be read: ${messageOf(cause)}`, {
    retryable: true,
    cause,
  });
}
