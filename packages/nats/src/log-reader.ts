/**
 * The thread that reads a long log. It receives messages on a connection of its own and posts them in batches, so that
 * the main thread only decodes and folds. Reading a million events costs about as much as folding them.
 *
 * The thread repairs nothing. At a message out of order, a status message of the server or a lost connection
 * it reports the reason and ends, and the main thread reads on without it. An unexpected error ends the
 * thread with the same effect.
 */
import { parentPort, workerData } from "node:worker_threads";
import { createInbox, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { Dialling } from "./dial.ts";
import {
  BATCH_EVENTS,
  type FromReader,
  PULL_EVENTS,
  pack,
  READ_WINDOW,
  type ReaderData,
  type ToReader,
} from "./reader-protocol.ts";

/**
 * Longest attempt of this thread to connect, ms. The thread does not wait for an absent server; the main thread does.
 */
const DIAL_TIMEOUT_MS = 5_000;
/**
 * Longest life of a pull request, ms. Every request ends far earlier, because the stream already has all requested
 * messages.
 */
const PULL_EXPIRES_MS = 30_000;
const NANOS_PER_MS = 1_000_000;

/**
 * Number of tokens in the shorter form of a reply subject, which is
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`.
 */
const PLAIN_TOKENS = 9;
const PLAIN_STREAM_SEQ = 5;
/**
 * Token index of the stream sequence in the longer form of a reply subject, which has a domain and an account after
 * `ACK`.
 */
const LONG_STREAM_SEQ = 7;

class LogReader {
  readonly #connection: NatsConnection;
  readonly #data: ReaderData;
  readonly #post: (message: FromReader, buffers?: ArrayBuffer[]) => void;
  readonly #inbox = createInbox();
  readonly #pullSubject: string;
  #batch: { seq: number; subject: string; data: Uint8Array }[] = [];
  #delivered = 0;
  /** Number of messages that were requested from the server and have not arrived. */
  #requested = 0;
  /** Number of further messages that this thread may request now. */
  #credit = READ_WINDOW;
  #ended = false;

  constructor(
    connection: NatsConnection,
    data: ReaderData,
    post: (message: FromReader, buffers?: ArrayBuffer[]) => void,
  ) {
    this.#connection = connection;
    this.#data = data;
    this.#post = post;
    const { domain } = data.bus;
    const api = domain === undefined ? "$JS.API" : `$JS.${domain}.API`;
    this.#pullSubject = `${api}.CONSUMER.MSG.NEXT.${data.stream}.${data.consumer}`;
  }

  begin(): void {
    this.#connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (this.#ended) return;
        if (error === null || error === undefined) this.#receive(message);
        else this.end({ kind: "failed", why: error.message });
      },
    });
    void this.#connection.closed().then((cause) => {
      this.end({ kind: "failed", why: `lost the connection: ${cause?.message ?? "closed"}` });
    });
    this.#request();
  }

  applied(events: number): void {
    this.#credit += events;
    this.#request();
  }

  /**
   * Requests as many messages as the credit allows. A request may reach beyond the last wanted event: the thread ends
   * at that event and ignores the rest.
   */
  #request(): void {
    for (; this.#credit >= PULL_EVENTS && !this.#ended; this.#credit -= PULL_EVENTS) {
      this.#requested += PULL_EVENTS;
      const request = { batch: PULL_EVENTS, expires: PULL_EXPIRES_MS * NANOS_PER_MS };
      this.#connection.publish(this.#pullSubject, JSON.stringify(request), { reply: this.#inbox });
    }
  }

  #receive(message: Msg): void {
    const tokens = message.reply?.split(".") ?? [];
    const at = tokens.length === PLAIN_TOKENS ? PLAIN_STREAM_SEQ : LONG_STREAM_SEQ;
    const seq = Number(tokens[at]);
    if (!(tokens.length >= PLAIN_TOKENS && seq > 0)) {
      const { code, description } = message.headers ?? { code: 0, description: "" };
      this.end({ kind: "failed", why: `the server answered ${code} ${description}` });
      return;
    }
    this.#delivered += 1;
    if (Number(tokens[at + 1]) !== this.#delivered) {
      this.end({ kind: "failed", why: `message ${tokens[at + 1]} arrived instead of ${this.#delivered}` });
      return;
    }
    this.#requested -= 1;
    if (seq <= this.#data.untilSeq) {
      this.#batch.push({ seq, subject: message.subject, data: message.data });
    }
    const isLast = seq >= this.#data.untilSeq;
    if (isLast || this.#requested === 0 || this.#batch.length === BATCH_EVENTS) this.#postBatch();
    if (isLast) this.end({ kind: "read" });
  }

  #postBatch(): void {
    const batch = pack(this.#batch);
    this.#batch = [];
    this.#post({ kind: "batch", batch }, [
      batch.seqs.buffer,
      batch.ends.buffer,
      batch.bytes.buffer,
      batch.digests.buffer,
    ]);
  }

  end(last: FromReader | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    if (last !== undefined) this.#post(last);
    void this.#connection.close();
  }
}

const port = parentPort;
if (port === null) throw new Error("log-reader.ts runs as a worker thread only");
const data = workerData as ReaderData;
const post = (message: FromReader, buffers: ArrayBuffer[] = []): void => port.postMessage(message, buffers);
const connection = await connect({
  ...new Dialling(data.bus).options(data.bus.name),
  reconnect: false,
  timeout: DIAL_TIMEOUT_MS,
});
const reader = new LogReader(connection, data, post);
port.on("message", (message: ToReader) => {
  if (message.kind === "applied") reader.applied(message.events);
  else reader.end(undefined);
});
// Without this call, the open port would keep the thread alive after its connection has closed.
port.unref();
reader.begin();
