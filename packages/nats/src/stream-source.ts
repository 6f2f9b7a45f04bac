/**
 * Reads the streams of a server for a backup.
 *
 * A stream is read by a consumer of this file's own, because the client's ordered consumers buffer by number of messages,
 * and a guest state is a thousand times larger than an event. Messages of a work queue are read one by one: such a stream
 * has one consumer at most, which is that of its workers.
 */
import { randomUUID } from "node:crypto";
import { EVENT_STREAM, JOB_STREAM } from "@bioxen/contracts";
import {
  messageOf as errorText,
  Fault,
  type LogFigures,
  type StreamMessage,
  type StreamSource,
} from "@bioxen/kernel";
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  type MsgRequest,
  type StoredMsg,
} from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/nats-core";
import type { Bus } from "./bus.ts";
import { clusterIdIn } from "./cluster-id.ts";
import { inspectLog } from "./guarded-log.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { union } from "./log-damage.ts";
import { damageFault } from "./log-guard.ts";
import { isMessageNotFound } from "./server-codes.ts";
import { presentStream } from "./stream-state.ts";

/** Number of bytes of messages that wait in this process: some guest states, or ten thousand events. */
const BUFFERED_BYTES = 8 * 1024 * 1024;
/** Silence after which a consumer is replaced, ms. There is always a message that is due. */
const SILENCE_LIMIT_MS = 10_000;
/** Number of consumers in a row that deliver nothing, after which the read fails. */
const MAX_SILENT_CONSUMERS = 3;
/** The server deletes a consumer whose reader has gone after this time, ms. */
const INACTIVE_MS = 60_000;
const NANOS_PER_MS = 1_000_000;

export async function openStreamSource(bus: Bus, recordFile?: string): Promise<StreamSource> {
  return new JetStreamSource(bus, await reached(() => streamManagerOf(bus)), recordFile);
}

class JetStreamSource implements StreamSource {
  readonly #bus: Bus;
  readonly #jsm: JetStreamManager;
  readonly #recordFile: string | undefined;

  constructor(bus: Bus, jsm: JetStreamManager, recordFile: string | undefined) {
    this.#bus = bus;
    this.#jsm = jsm;
    this.#recordFile = recordFile;
  }

  async log(): Promise<LogFigures> {
    const info = await reached(() => presentStream(this.#jsm, EVENT_STREAM));
    const { state, damage, records } = await inspectLog(this.#bus, this.#recordFile);
    if (damage !== undefined) throw damageFault(damage);
    if (info === undefined || state === undefined) {
      throw new Fault("UNAVAILABLE", `the server has no stream ${EVENT_STREAM}`, { retryable: true });
    }
    const missing = union(
      state.missing,
      records.flatMap((record) => record.missing),
    );
    return { clusterId: clusterIdIn(info), created: info.created, lastSeq: state.readableSeq, missing };
  }

  async lastSeq(stream: string): Promise<number | undefined> {
    return (await reached(() => presentStream(this.#jsm, stream)))?.state.last_seq;
  }

  async subjects(stream: string): Promise<readonly string[]> {
    const info = await reached(() => presentStream(this.#jsm, stream, { subjects_filter: ">" }));
    return Object.keys(info?.state.subjects ?? {});
  }

  async *read(stream: string, fromSeq: number, toSeq: number): AsyncIterable<StreamMessage> {
    if (stream === JOB_STREAM) return yield* this.#readSingly(stream, fromSeq, toSeq);
    let next = fromSeq;
    for (let silent = 0; next <= toSeq; ) {
      const before = next;
      try {
        for await (const message of this.#consumed(stream, next, toSeq)) {
          yield streamMessage(message);
          next = message.seq + 1;
        }
        return;
      } catch (cause) {
        silent = next === before ? silent + 1 : 0;
        if (silent < MAX_SILENT_CONSUMERS) continue;
        throw new Fault("UNAVAILABLE", `cannot read stream ${stream} from ${next} on: ${errorText(cause)}`, {
          retryable: true,
          cause,
        });
      }
    }
  }

  /** Delivers until the last message up to `toSeq`. Throws when a delivery is lost or overdue. */
  async *#consumed(stream: string, fromSeq: number, toSeq: number): AsyncIterable<JsMsg> {
    const name = `backup-${randomUUID()}`;
    const { num_pending: pending } = await this.#jsm.consumers.add(stream, {
      name,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: fromSeq,
      ack_policy: AckPolicy.None,
      inactive_threshold: INACTIVE_MS * NANOS_PER_MS,
      mem_storage: true,
      num_replicas: 1,
    });
    let messages: ConsumerMessages | undefined;
    try {
      if (pending === 0) return;
      const consumer = await jetStreamOf(this.#bus).consumers.get(stream, name);
      messages = await consumer.consume({ max_bytes: BUFFERED_BYTES });
      let delivered = 0;
      for await (const message of overdueEnds(messages)) {
        const { deliverySequence, pending: left } = message.info;
        delivered += 1;
        if (deliverySequence !== delivered) throw new Error(`delivery ${delivered} of ${stream} is lost`);
        if (message.seq > toSeq) return;
        yield message;
        if (message.seq === toSeq || left === 0) return;
      }
      throw new Error(`the consumer of ${stream} ended`);
    } finally {
      void messages?.close();
      void this.#jsm.consumers.delete(stream, name).catch(() => undefined);
    }
  }

  async *#readSingly(stream: string, fromSeq: number, toSeq: number): AsyncIterable<StreamMessage> {
    for (let next = fromSeq; next <= toSeq; ) {
      const message = await reached(() => this.#nextAt(stream, next));
      if (message === undefined || message.seq > toSeq) return;
      yield streamMessage(message);
      next = message.seq + 1;
    }
  }

  async #nextAt(stream: string, seq: number): Promise<StoredMsg | undefined> {
    try {
      return (await this.#jsm.streams.getMessage(stream, nextFrom(seq))) ?? undefined;
    } catch (cause) {
      if (isMessageNotFound(cause)) return undefined;
      throw cause;
    }
  }
}

/** Rejects with `Fault` UNAVAILABLE if the server does not answer the call. */
async function reached<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault("UNAVAILABLE", `the streams cannot be read: ${errorText(cause)}`, {
      retryable: true,
      cause,
    });
  }
}

/** The server knows this form of the query, the types of the client do not. */
function nextFrom(seq: number): MsgRequest {
  return { seq, next_by_subj: ">" } as MsgRequest;
}

/** Passes the messages on, and throws when the next one is overdue. */
async function* overdueEnds(messages: ConsumerMessages): AsyncIterable<JsMsg> {
  let heardAtMs = performance.now();
  const watchdog = setInterval(() => {
    if (performance.now() - heardAtMs > SILENCE_LIMIT_MS) void messages.close();
  }, SILENCE_LIMIT_MS / 4);
  try {
    for await (const message of messages) {
      yield message;
      heardAtMs = performance.now();
    }
  } finally {
    clearInterval(watchdog);
  }
}

function streamMessage(message: JsMsg | StoredMsg): StreamMessage {
  const { seq, subject, data } = message;
  const isStored = "timestamp" in message && "header" in message;
  const [headers, time] = isStored
    ? [message.header, message.timestamp]
    : [(message as JsMsg).headers, (message as JsMsg).time.toISOString()];
  // The client returns a view of a larger buffer, which would stay in memory as long as this message.
  return { seq, subject, time, headers: pairsOf(headers), data: Uint8Array.from(data) };
}

function pairsOf(headers: MsgHdrs | undefined): (readonly [string, string])[] {
  if (headers === undefined) return [];
  return [...headers].flatMap(([name, values]) => values.map((value) => [name, value] as const));
}
