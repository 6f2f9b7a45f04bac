/**
 * The event log on JetStream.
 *
 * The server provides optimistic concurrency: `Nats-Expected-Last-Subject-Sequence` is the *stream* sequence of the
 * subject's last message. A lost acknowledgement leaves the result of an append unknown, so the same message is sent
 * again. Servers from 2.12 on check the sequence before the message id and may answer "wrong last sequence". The
 * subject's last event then shows whether the first append succeeded. See docs/adr/0002-event-log.md.
 */
import {
  contentLimitOf,
  decodeMessage,
  digestOf,
  EVENT_STREAM,
  encodeEvent,
  eventTooLarge,
} from "@bioxen/contracts";
import {
  type AppendResult,
  type EventEnvelope,
  type EventLog,
  Fault,
  type Following,
  type FollowOptions,
  isUnreadable,
  type LogMessage,
  messageOf,
  readableOnly,
  type StoredEvent,
} from "@bioxen/kernel";
import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import {
  deleteConsumer,
  FOLLOW_BATCH,
  FOLLOW_EXPIRES_MS,
  FOLLOW_HEARTBEAT_MS,
  followDirectly,
  orderedConsumer,
} from "./follower.ts";
import { lastReadableSeq } from "./log-state.ts";
import { isMessageNotFound, isRefusal, isStreamFull, isWrongLastSequence } from "./server-codes.ts";
import { sleep } from "./sleep.ts";
import { withLeader } from "./with-leader.ts";

/** Longest wait for one acknowledgement, ms; a synced append takes about 0.4 ms on the measured machines. */
const ACK_TIMEOUT_MS = 2_000;
/** Time after which an append with unknown outcome fails, ms. */
const APPEND_DEADLINE_MS = 8_000;
const RETRY_WAIT_MS = 100;
/** Longest read, ms. When the server dies during a read and is not back within this time, the read fails. */
const READ_DEADLINE_MS = 10_000;
/**
 * Maximum number of events that are read one by one before a consumer is created to read the rest. One such read takes
 * a fraction of a ms; a consumer costs more, because all servers of a cluster must agree on it. Usually only one or two
 * events of another instance are missing.
 */
const MAX_SINGLE_READS = 16;

/** Follows a long stretch of the log with the help of another thread. */
export interface LongReader {
  /** Smallest number of unread events for which this reader is used. */
  readonly fromEvents: number;
  /**
   * Delivers the events from `options.fromSeq` to `rest.untilSeq`. Afterwards `rest.direct` delivers the later events.
   * If this reader fails, `rest.direct` delivers the remaining events too.
   */
  follow(options: FollowOptions, rest: LongRead): Following;
}

export interface LongRead {
  readonly jsm: JetStreamManager;
  /** Sequence of the last event that was stored when the call began. */
  readonly untilSeq: number;
  readonly direct: (options: FollowOptions) => Promise<Following>;
}

type MessageQuery =
  | { readonly last_by_subj: string }
  | { readonly seq: number }
  | { readonly seq: number; readonly next_by_subj: string };

export class JetStreamEventLog implements EventLog {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #connected: () => boolean;
  readonly #maxPayloadBytes: () => number;
  readonly #longReader: LongReader | undefined;

  constructor(
    js: JetStreamClient,
    jsm: JetStreamManager,
    server: { readonly connected: boolean; readonly maxPayloadBytes: number },
    longReader: LongReader | undefined,
  ) {
    this.#js = js;
    this.#jsm = jsm;
    this.#connected = () => server.connected;
    this.#maxPayloadBytes = () => server.maxPayloadBytes;
    this.#longReader = longReader;
  }

  async append(streamSubject: string, envelope: EventEnvelope, expectedSeq: number): Promise<AppendResult> {
    const bytes = encodeEvent(envelope);
    const refusal = eventTooLarge(envelope.type, bytes.byteLength, contentLimitOf(this.#maxPayloadBytes()));
    if (refusal !== undefined) throw refusal;
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
          return await this.#resolveConflict(streamSubject, envelope);
        }
        if (isStreamFull(cause)) throw logFull(envelope.type, cause);
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

  /**
   * Finds the result of an append that the server refused for a wrong expected sequence. Returns `appended` when
   * `envelope` is already the subject's last event: only the acknowledgement was lost. Otherwise returns `conflict`.
   */
  async #resolveConflict(streamSubject: string, envelope: EventEnvelope): Promise<AppendResult> {
    const last = await this.#lastOf(streamSubject);
    return last !== undefined && !isUnreadable(last) && last.envelope.id === envelope.id
      ? { kind: "appended", seq: last.seq, digest: last.digest }
      : { kind: "conflict" };
  }

  async #lastOf(streamSubject: string): Promise<LogMessage | undefined> {
    return decoded(await this.#lastMessageOf(streamSubject));
  }

  #lastMessageOf(filter: string): Promise<StoredMsg | undefined> {
    return this.#message({ last_by_subj: filter });
  }

  /** Reads from the leader of the stream, which has every acknowledged message. */
  async #message(query: MessageQuery): Promise<StoredMsg | undefined> {
    try {
      return (await withLeader(() => this.#jsm.streams.getMessage(EVENT_STREAM, query))) ?? undefined;
    } catch (cause) {
      if (isMessageNotFound(cause)) return undefined;
      throw asLogFault(cause);
    }
  }

  async read(
    streamSubject: string,
    afterSeq: number,
    untilSeq?: number,
    limit?: number,
  ): Promise<readonly StoredEvent[]> {
    return readableOnly(await this.readMessages(streamSubject, afterSeq, untilSeq, limit));
  }

  async messageAt(seq: number): Promise<LogMessage | undefined> {
    return decoded(await this.#message({ seq }));
  }

  async readMessages(
    streamSubject: string,
    afterSeq: number,
    untilSeq = Number.POSITIVE_INFINITY,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<readonly LogMessage[]> {
    const last = await this.#lastOf(streamSubject);
    if (last === undefined || last.seq <= afterSeq || untilSeq <= afterSeq || limit < 1) return [];
    if (last.seq === afterSeq + 1) return last.seq <= untilSeq ? [last] : [];
    const endSeq = Math.min(last.seq, untilSeq);
    const version = isUnreadable(last) ? Number.POSITIVE_INFINITY : last.envelope.aggregateversion;
    const isLong = version > MAX_SINGLE_READS && limit > MAX_SINGLE_READS;
    return isLong && (afterSeq === 0 || limit !== Number.POSITIVE_INFINITY)
      ? this.#consumeUntil(streamSubject, afterSeq, endSeq, limit)
      : this.#readUntil(streamSubject, afterSeq, endSeq, limit);
  }

  /**
   * Returns the first `limit` events of one subject after `afterSeq` up to `endSeq`. The subject must have an event at
   * or after `endSeq`.
   */
  async #readUntil(
    streamSubject: string,
    afterSeq: number,
    endSeq: number,
    limit: number,
  ): Promise<readonly LogMessage[]> {
    const events: LogMessage[] = [];
    let lastSeq = afterSeq;
    while (events.length < MAX_SINGLE_READS) {
      const message = await this.#message({ seq: lastSeq + 1, next_by_subj: streamSubject });
      if (message === undefined) return events;
      lastSeq = message.seq;
      if (lastSeq <= endSeq) events.push(decodeMessage(message.data, lastSeq, message.subject));
      if (lastSeq >= endSeq || events.length >= limit) return events;
    }
    const rest = await this.#consumeUntil(streamSubject, lastSeq, endSeq, limit - events.length);
    return [...events, ...rest];
  }

  async #consumeUntil(
    streamSubject: string,
    afterSeq: number,
    endSeq: number,
    limit: number,
  ): Promise<readonly LogMessage[]> {
    const consumer = await withLeader(() => orderedConsumer(this.#js, afterSeq + 1, streamSubject)).catch(
      (cause: unknown) => {
        throw asLogFault(cause);
      },
    );
    const events: LogMessage[] = [];
    const messages = await consumer.consume({
      max_messages: FOLLOW_BATCH,
      expires: FOLLOW_EXPIRES_MS,
      idle_heartbeat: FOLLOW_HEARTBEAT_MS,
    });
    const timer = setTimeout(() => void messages.close(), READ_DEADLINE_MS);
    try {
      for await (const message of messages) {
        if (message.seq <= endSeq) events.push(decodeMessage(message.data, message.seq, message.subject));
        if (message.seq >= endSeq || events.length >= limit) return events;
      }
    } finally {
      clearTimeout(timer);
      await messages.close();
      void deleteConsumer(consumer);
    }
    throw new Fault("UNAVAILABLE", `the event log did not return all of ${streamSubject} in time: retry`, {
      retryable: true,
    });
  }

  async follow(options: FollowOptions): Promise<Following> {
    const endSeq = await (options.filter === undefined
      ? this.#readableSeq()
      : this.#lastSeqOf(options.filter));
    const reader = this.#longReader;
    const isLong = reader !== undefined && endSeq - options.fromSeq + 1 >= reader.fromEvents;
    // A reader of one subject, or with a small window, reads little: the start of a thread would cost more than it
    // saves.
    if (!isLong || options.filter !== undefined || options.window !== undefined) {
      return this.#followDirectly(options, endSeq);
    }
    return reader.follow(options, {
      jsm: this.#jsm,
      untilSeq: endSeq,
      direct: async (rest) => this.#followDirectly(rest, await this.#readableSeq()),
    });
  }

  #followDirectly(options: FollowOptions, endSeq: number): Promise<Following> {
    return followDirectly({ ...options, js: this.#js, connected: this.#connected, endSeq });
  }

  async lastSeq(): Promise<number> {
    try {
      return (await withLeader(() => this.#jsm.streams.info(EVENT_STREAM))).state.last_seq;
    } catch (cause) {
      throw asLogFault(cause);
    }
  }

  /** Returns the sequence of the last readable event. A damaged store may have lost the events after it. */
  async #readableSeq(): Promise<number> {
    try {
      return await withLeader(() => lastReadableSeq(this.#jsm));
    } catch (cause) {
      throw asLogFault(cause);
    }
  }

  /** Returns the sequence of the last event on the subjects of `filter`, readable or not; 0 when none exists. */
  async #lastSeqOf(filter: string): Promise<number> {
    return (await this.#lastMessageOf(filter))?.seq ?? 0;
  }
}

function decoded(message: StoredMsg | undefined): LogMessage | undefined {
  return message === undefined ? undefined : decodeMessage(message.data, message.seq, message.subject);
}

/** Returns the fault for a log that takes no more events. The fault is not retryable: only an operator can help. */
function logFull(type: string, cause: unknown): Fault {
  const message = `the event log is full, so that ${type} was not stored (${messageOf(cause)}): raise BIOXEN_STREAM_MAX_BYTES or the storage of the account`;
  return new Fault("UNAVAILABLE", message, { retryable: false, cause });
}

function asLogFault(cause: unknown): unknown {
  if (cause instanceof Fault) return cause;
  return new Fault("UNAVAILABLE", `cannot read the event log: ${messageOf(cause)}`, {
    retryable: true,
    cause,
  });
}
