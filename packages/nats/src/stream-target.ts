/**
 * Fills the streams of an empty server from a backup.
 *
 * The server numbers messages itself. A restored event gets its old sequence because the events are stored in their
 * order in an empty stream; where the backup has no message for a sequence, a filler is stored and deleted. The stream
 * denies deletions only once it is filled.
 */
import { EVENT_STREAM, EVENT_STREAM_CONFIG, eventSubject, STREAMS } from "@bioxen/contracts";
import {
  messageOf as errorText,
  Fault,
  type LogFigures,
  type NewLog,
  type StreamMessage,
  type StreamTarget,
} from "@bioxen/kernel";
import type { JetStreamClient, JetStreamManager, PubAck } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import type { Bus } from "./bus.ts";
import { clusterMetadata, newClusterMetadata } from "./cluster-id.ts";
import { acceptLog } from "./guarded-log.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isOnSingleServer, STREAM_NAMES, type StorageSettings, wantedConfig } from "./storage.ts";
import { singleServerFault } from "./stream-refusals.ts";
import { openStreamSource } from "./stream-source.ts";
import { presentStream } from "./stream-state.ts";
import { ensureStream } from "./streams.ts";

/** Number of messages that are stored at once: enough to hide the round trip, and at most 256 MiB of messages. */
const STORED_AT_ONCE = 256;
/**
 * Number of bytes that are stored at once. A message above it is stored alone.
 */
const BYTES_AT_ONCE = 8 * 1024 * 1024;
/** Longest wait for one acknowledgement, ms: the disk may be busy with all messages before. */
const ACK_TIMEOUT_MS = 20_000;
/** The shortest window that the server accepts, ms. A copied message is no duplicate, whatever its message id says. */
const NO_DUPLICATES_MS = 100;
const NANOS_PER_MS = 1_000_000;
const FILLER_SUBJECT = eventSubject("log", "restored-gap");

export interface StreamTargetPlace {
  readonly bus: Bus;
  readonly storage?: StorageSettings;
  /** Path of the file for a second copy of the record of the log. */
  readonly file?: string | undefined;
}

export async function openStreamTarget(place: StreamTargetPlace): Promise<StreamTarget> {
  const source = await openStreamSource(place.bus, place.file);
  return new JetStreamTarget(place, await streamManagerOf(place.bus), source);
}

class JetStreamTarget implements StreamTarget {
  readonly source: StreamTarget["source"];
  readonly #place: StreamTargetPlace;
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #log: () => Promise<LogFigures>;

  constructor(
    place: StreamTargetPlace,
    jsm: JetStreamManager,
    source: StreamTarget["source"] & { log(): Promise<LogFigures> },
  ) {
    this.#place = place;
    this.#js = jetStreamOf(place.bus);
    this.#jsm = jsm;
    this.source = source;
    this.#log = () => source.log();
  }

  async obstacles(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const name of STREAM_NAMES) {
      const info = await presentStream(this.#jsm, name);
      if (info !== undefined) found.push(`stream ${name} exists, with ${info.state.messages} messages`);
    }
    return found;
  }

  async fillLog(messages: AsyncIterable<StreamMessage>, { clusterId }: NewLog): Promise<void> {
    const { bus, storage = {} } = this.#place;
    const wanted = wantedConfig(EVENT_STREAM_CONFIG, storage);
    const metadata = clusterId === undefined ? newClusterMetadata() : clusterMetadata(clusterId);
    const info = await this.#jsm.streams.add({
      ...wanted,
      subjects: [...wanted.subjects],
      metadata,
      deny_delete: false,
      duplicate_window: NO_DUPLICATES_MS * NANOS_PER_MS,
    });
    if ((storage.replicas ?? 1) > 1 && isOnSingleServer(info))
      throw await singleServerFault(bus, EVENT_STREAM);
    const fillers: number[] = [];
    await this.#storeAll(withFillers(messages, fillers), (message, { seq, duplicate }) => {
      if (seq === message.seq && !duplicate) return;
      const stored = duplicate ? "as a duplicate of an earlier one" : `under sequence ${seq}`;
      throw new Fault(
        "CONFLICT",
        `the server stored event ${message.seq} ${stored}: the restore is not usable`,
        {
          retryable: false,
        },
      );
    });
    for (const seq of fillers) await this.#jsm.streams.deleteMessage(EVENT_STREAM, seq, false);
    await ensureStream(bus, this.#jsm, EVENT_STREAM_CONFIG, storage);
  }

  async fill(stream: string, messages: AsyncIterable<StreamMessage>): Promise<void> {
    const declaration = STREAMS.find(({ name }) => name === stream);
    if (declaration === undefined) {
      throw new Fault("BAD_REQUEST", `this version of BioXen has no stream ${stream}`, { retryable: false });
    }
    const { bus, storage = {} } = this.#place;
    await ensureStream(bus, this.#jsm, declaration, storage);
    await this.#storeAll(messages, () => undefined);
  }

  async recordLog(): Promise<LogFigures> {
    await acceptLog(this.#place);
    return this.#log();
  }

  /** Stores the messages in their order, several at once. */
  async #storeAll(
    messages: AsyncIterable<StreamMessage>,
    check: (message: StreamMessage, ack: PubAck) => void,
  ): Promise<void> {
    let batch: StreamMessage[] = [];
    let bytes = 0;
    const store = async () => {
      const acks = await Promise.allSettled(batch.map((message) => this.#store(message)));
      for (const [i, ack] of acks.entries()) {
        const message = batch[i] as StreamMessage;
        if (ack.status === "rejected") throw notStored(message, ack.reason);
        check(message, ack.value);
      }
      batch = [];
      bytes = 0;
    };
    for await (const message of messages) {
      batch.push(message);
      bytes += message.data.length;
      if (batch.length >= STORED_AT_ONCE || bytes >= BYTES_AT_ONCE) await store();
    }
    await store();
  }

  #store({ subject, data, headers: pairs }: StreamMessage): Promise<PubAck> {
    const h = pairs.length === 0 ? undefined : headers();
    for (const [name, value] of pairs) h?.append(name, value);
    return this.#js.publish(subject, data, {
      timeout: ACK_TIMEOUT_MS,
      ...(h === undefined ? {} : { headers: h }),
    });
  }
}

/** Puts a message in place of each missing sequence, and adds its sequence to `fillers`. */
async function* withFillers(
  messages: AsyncIterable<StreamMessage>,
  fillers: number[],
): AsyncIterable<StreamMessage> {
  let next = 1;
  for await (const message of messages) {
    for (; next < message.seq; next += 1) {
      fillers.push(next);
      yield { seq: next, subject: FILLER_SUBJECT, time: "", headers: [], data: new Uint8Array() };
    }
    yield message;
    next += 1;
  }
}

function notStored({ seq, subject }: StreamMessage, cause: unknown): Fault {
  const message = `the server did not store message ${seq} (${subject}): ${errorText(cause)}`;
  return new Fault("UNAVAILABLE", message, { retryable: false, cause });
}
