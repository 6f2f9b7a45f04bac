/**
 * The thread that reads a long log: takes messages from the server on a connection of its own and hands them over in batches,
 * so that the thread that decodes and folds them does nothing else. Reading costs a million events about what folding them does.
 *
 * It mends nothing. A message out of turn, a word of the server that is no message, a lost connection: it says so and ends, and the
 * other side goes on without it. What it does not expect it does not catch: it dies, and the other side takes that the same way.
 */
import { parentPort, workerData } from "node:worker_threads";
import { createInbox, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { originOf } from "./dial.ts";
import {
  BATCH_EVENTS,
  type FromReader,
  PULL_EVENTS,
  packed,
  READ_WINDOW,
  type ReaderData,
  type ToReader,
} from "./reader-protocol.ts";

/** One dial, ms; a server that is away is for the other side to wait for. */
const DIAL_TIMEOUT_MS = 5_000;
/** Longest life of one pull request, ms. The stream has all that is asked for, so none gets near. */
const PULL_EXPIRES_MS = 30_000;
const NANOS_PER_MS = 1_000_000;

/** Of a message's reply subject: `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`, … */
const PLAIN_TOKENS = 9;
const PLAIN_STREAM_SEQ = 5;
/** … and in its newer form with domain and account after `ACK`. */
const LONG_STREAM_SEQ = 7;

class LogReader {
  readonly #connection: NatsConnection;
  readonly #data: ReaderData;
  readonly #post: (message: FromReader, buffers?: ArrayBuffer[]) => void;
  readonly #inbox = createInbox();
  readonly #pullSubject: string;
  #waiting: { seq: number; subject: string; data: Uint8Array }[] = [];
  #delivered = 0;
  /** Messages asked for that have not come. */
  #asked = 0;
  /** Messages that may be asked for. */
  #free = READ_WINDOW;
  #ended = false;

  constructor(
    connection: NatsConnection,
    data: ReaderData,
    post: (message: FromReader, buffers?: ArrayBuffer[]) => void,
  ) {
    this.#connection = connection;
    this.#data = data;
    this.#post = post;
    this.#pullSubject = `$JS.API.CONSUMER.MSG.NEXT.${data.stream}.${data.consumer}`;
  }

  begin(): void {
    this.#connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (this.#ended) return;
        if (error === null || error === undefined) this.#take(message);
        else this.end({ kind: "failed", why: error.message });
      },
    });
    void this.#connection.closed().then((cause) => {
      this.end({ kind: "failed", why: `the connection was lost: ${cause?.message ?? "closed"}` });
    });
    this.#ask();
  }

  applied(events: number): void {
    this.#free += events;
    this.#ask();
  }

  /** May ask beyond the last event wanted: those the server has are left unread, and no others are waited for. */
  #ask(): void {
    for (; this.#free >= PULL_EVENTS && !this.#ended; this.#free -= PULL_EVENTS) {
      this.#asked += PULL_EVENTS;
      const request = { batch: PULL_EVENTS, expires: PULL_EXPIRES_MS * NANOS_PER_MS };
      this.#connection.publish(this.#pullSubject, JSON.stringify(request), { reply: this.#inbox });
    }
  }

  #take(message: Msg): void {
    const tokens = message.reply?.split(".") ?? [];
    const at = tokens.length === PLAIN_TOKENS ? PLAIN_STREAM_SEQ : LONG_STREAM_SEQ;
    const seq = Number(tokens[at]);
    if (!(tokens.length >= PLAIN_TOKENS && seq > 0)) {
      const { code, description } = message.headers ?? { code: 0, description: "" };
      this.end({ kind: "failed", why: `the server says ${code} ${description}` });
      return;
    }
    this.#delivered += 1;
    if (Number(tokens[at + 1]) !== this.#delivered) {
      this.end({ kind: "failed", why: `message ${tokens[at + 1]} came in the place of ${this.#delivered}` });
      return;
    }
    this.#asked -= 1;
    if (seq <= this.#data.untilSeq) {
      this.#waiting.push({ seq, subject: message.subject, data: message.data });
    }
    const isLast = seq >= this.#data.untilSeq;
    if (isLast || this.#asked === 0 || this.#waiting.length === BATCH_EVENTS) this.#handOver();
    if (isLast) this.end({ kind: "read" });
  }

  #handOver(): void {
    const batch = packed(this.#waiting);
    this.#waiting = [];
    this.#post({ kind: "batch", batch }, [batch.seqs.buffer, batch.ends.buffer, batch.bytes.buffer]);
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
  ...originOf(data.bus),
  reconnect: false,
  timeout: DIAL_TIMEOUT_MS,
});
const reader = new LogReader(connection, data, post);
port.on("message", (message: ToReader) => {
  if (message.kind === "applied") reader.applied(message.events);
  else reader.end(undefined);
});
// The port alone keeps nobody alive: with the connection the thread ends.
port.unref();
reader.begin();
