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
import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import {
  FOLLOW_BATCH,
  FOLLOW_EXPIRES_MS,
  FOLLOW_HEARTBEAT_MS,
  followDirectly,
  forget,
  orderedConsumer,
} from "./follower.ts";
import { isMessageNotFound, isRefusal, isWrongLastSequence } from "./server-codes.ts";
import { sleep } from "./sleep.ts";

/** Longest wait for one acknowledgement, ms; a synced append takes about 0.4 ms on the machines measured. */
const ACK_TIMEOUT_MS = 2_000;
/** When an append's outcome could not be learnt for this long, the caller is told, ms. */
const APPEND_DEADLINE_MS = 8_000;
const RETRY_WAIT_MS = 100;
/** A server that dies in the middle of a read is back within this, ms, or the reader is told. */
const READ_DEADLINE_MS = 10_000;
/**
 * Events asked for one by one, a fraction of a millisecond each, before a consumer is made for the rest: what another instance has just
 * written is one or two, and in a cluster a consumer is agreed upon by all servers.
 */
const MAX_SINGLE_READS = 16;

/** Another way of following a long stretch of the log than on this thread. */
export interface LongReader {
  /** Used from this many stored events on. */
  readonly fromEvents: number;
  /** Follows from `options.fromSeq`; `rest.direct` takes over behind `rest.untilSeq`, or where the reader fails. */
  follow(options: FollowOptions, rest: LongRead): Following;
}

export interface LongRead {
  readonly jsm: JetStreamManager;
  /** The last sequence stored when following began. */
  readonly untilSeq: number;
  readonly direct: (options: FollowOptions) => Promise<Following>;
}

type MessageQuery =
  | { readonly last_by_subj: string }
  | { readonly seq: number; readonly next_by_subj: string };

export class JetStreamEventLog implements EventLog {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #connected: () => boolean;
  readonly #longReader: LongReader | undefined;

  constructor(
    js: JetStreamClient,
    jsm: JetStreamManager,
    connected: () => boolean,
    longReader: LongReader | undefined,
  ) {
    this.#js = js;
    this.#jsm = jsm;
    this.#connected = connected;
    this.#longReader = longReader;
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
        if (isWrongLastSequence(cause)) {
          return await this.#lostOrLate(streamSubject, envelope);
        }
        if (isRefusal(cause) || Date.now() + RETRY_WAIT_MS >= deadline) {
          throw new Fault(
            "UNAVAILABLE",
            `the event log did not confirm ${envelope.type}: ${messageOf(cause)}`,
            {
              retryable: true,
              cause,
            },
          );
        }
        await sleep(RETRY_WAIT_MS);
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

  #lastMessageOf(filter: string): Promise<StoredMsg | undefined> {
    return this.#message({ last_by_subj: filter });
  }

  /** From the stream's leader: what was acknowledged is there. */
  async #message(query: MessageQuery): Promise<StoredMsg | undefined> {
    try {
      return (await this.#jsm.streams.getMessage(EVENT_STREAM, query)) ?? undefined;
    } catch (cause) {
      if (isMessageNotFound(cause)) return undefined;
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
    const endSeq = Math.min(last.seq, untilSeq);
    return afterSeq === 0 && last.envelope.aggregateversion > MAX_SINGLE_READS
      ? this.#consumeUntil(streamSubject, afterSeq, endSeq)
      : this.#readUntil(streamSubject, afterSeq, endSeq);
  }

  /** Events of one subject after `afterSeq` up to `endSeq`; the subject has one at `endSeq` or beyond. */
  async #readUntil(streamSubject: string, afterSeq: number, endSeq: number): Promise<readonly StoredEvent[]> {
    const events: StoredEvent[] = [];
    let lastSeq = afterSeq;
    while (events.length < MAX_SINGLE_READS) {
      const message = await this.#message({ seq: lastSeq + 1, next_by_subj: streamSubject });
      if (message === undefined) return events;
      lastSeq = message.seq;
      if (lastSeq <= endSeq) events.push(decodeEvent(message.data, lastSeq, message.subject));
      if (lastSeq >= endSeq) return events;
    }
    return [...events, ...(await this.#consumeUntil(streamSubject, lastSeq, endSeq))];
  }

  async #consumeUntil(
    streamSubject: string,
    afterSeq: number,
    endSeq: number,
  ): Promise<readonly StoredEvent[]> {
    const consumer = await orderedConsumer(this.#js, afterSeq + 1, streamSubject).catch((cause: unknown) => {
      throw asLogFault(cause);
    });
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
    const endSeq = await (options.filter === undefined ? this.lastSeq() : this.#lastSeqOf(options.filter));
    const reader = this.#longReader;
    const isLong = reader !== undefined && endSeq - options.fromSeq + 1 >= reader.fromEvents;
    // One subject, or little at a time, is asked for by who reads little.
    if (!isLong || options.filter !== undefined || options.window !== undefined) {
      return this.#followDirectly(options, endSeq);
    }
    return reader.follow(options, {
      jsm: this.#jsm,
      untilSeq: endSeq,
      direct: async (rest) => this.#followDirectly(rest, await this.lastSeq()),
    });
  }

  #followDirectly(options: FollowOptions, endSeq: number): Promise<Following> {
    return followDirectly({ ...options, js: this.#js, connected: this.#connected, endSeq });
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
}

function asLogFault(cause: unknown): unknown {
  if (cause instanceof Fault) return cause;
  return new Fault("UNAVAILABLE", `the event log cannot be read: ${messageOf(cause)}`, {
    retryable: true,
    cause,
  });
}
