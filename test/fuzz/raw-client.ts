/**
 * A NATS client that sends bytes as they are: headers that a client library would refuse, any reply subject. It counts
 * every message that arrives on the reply subject of a request, so that a second answer is noticed.
 *
 * The protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Longest time until the answer to one request, ms: longer than any deadline of a service. */
const ANSWER_TIMEOUT_MS = 30_000;
const CRLF = Buffer.from("\r\n");
/** Prefix of the reply subjects that are no usual inbox; the services ask the server about it. */
const OTHER_PREFIX = "fuzz-replies";

export interface Answer {
  /** The block of headers of the answer; empty without one. */
  readonly headers: string;
  readonly data: Buffer;
}

/** One message as it is sent. */
export interface Outgoing {
  readonly subject: string;
  readonly payload: Uint8Array;
  /** The whole block of headers with its last empty line; undefined for a message without headers. */
  readonly headers: Uint8Array | undefined;
}

interface Waiting {
  readonly resolve: (answer: Answer | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

export class RawClient {
  readonly #socket: Socket;
  readonly #inbox: string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #answers = new Map<string, number>();
  readonly problems: string[] = [];
  #pending: Buffer = Buffer.alloc(0);
  #ponged: (() => void) | undefined;
  #drained: Promise<void> | undefined;
  #isClosed = false;

  private constructor(socket: Socket, inbox: string) {
    this.#socket = socket;
    this.#inbox = inbox;
  }

  /** Connects to the server of `url`, `nats://host:port`. */
  static async open(url: string, name: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, "connect");
    const client = new RawClient(socket, `_INBOX.${name}`);
    socket.on("data", (data) => client.#received(data));
    socket.on("error", (error) => client.problems.push(`the connection failed: ${error.message}`));
    socket.on("close", () => client.#closed());
    const options = {
      verbose: false,
      pedantic: false,
      headers: true,
      no_responders: true,
      lang: "raw",
      version: "1",
    };
    socket.write(
      `CONNECT ${JSON.stringify(options)}\r\nSUB ${client.#inbox}.* 1\r\nSUB ${OTHER_PREFIX}.* 2\r\n`,
    );
    await client.flush();
    return client;
  }

  /** The reply subject of request `index`. */
  replyOf(index: number, isUsual: boolean): string {
    return isUsual ? `${this.#inbox}.${index}` : `${OTHER_PREFIX}.${index}`;
  }

  /** Sends a request; resolves with its first answer, or undefined when none arrives in time. */
  async request(message: Outgoing, reply: string): Promise<Answer | undefined> {
    if (this.#isClosed) return undefined;
    const answer = new Promise<Answer | undefined>((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(reply);
        resolve(undefined);
      }, ANSWER_TIMEOUT_MS);
      this.#waiting.set(reply, { resolve, timer });
    });
    await this.publish(message, reply);
    return answer;
  }

  /** Sends a message without waiting for an answer; resolves when the socket has room for the next one. */
  async publish({ subject, payload, headers }: Outgoing, reply = ""): Promise<void> {
    const to = reply === "" ? subject : `${subject} ${reply}`;
    const line =
      headers === undefined
        ? `PUB ${to} ${payload.byteLength}\r\n`
        : `HPUB ${to} ${headers.byteLength} ${headers.byteLength + payload.byteLength}\r\n`;
    const parts = [Buffer.from(line), ...(headers === undefined ? [] : [headers]), payload, CRLF];
    const hasRoom = this.#socket.write(Buffer.concat(parts));
    if (hasRoom || this.#isClosed) return;
    // One listener for all senders that wait. A connection that fails meanwhile is reported by its own listener.
    this.#drained ??= once(this.#socket, "drain")
      .catch(() => undefined)
      .then(() => {
        this.#drained = undefined;
      });
    await this.#drained;
  }

  /** Resolves when the server has processed everything that was sent before. */
  flush(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#ponged;
      this.#ponged = () => {
        before?.();
        resolve();
      };
      this.#socket.write("PING\r\n");
    });
  }

  /** Returns the reply subjects with more than one answer, and forgets all counts. */
  answeredTwice(): string[] {
    const twice = [...this.#answers].filter(([, count]) => count > 1).map(([reply]) => reply);
    this.#answers.clear();
    return twice;
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.end();
  }

  #closed(): void {
    this.#isClosed = true;
    this.#pong();
    this.problems.push("the server closed the connection");
    for (const { resolve, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      resolve(undefined);
    }
    this.#waiting.clear();
  }

  #received(data: Buffer): void {
    this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    for (;;) {
      const end = this.#pending.indexOf(CRLF);
      if (end < 0) return;
      const [verb = "", ...rest] = this.#pending.toString("latin1", 0, end).split(" ");
      const isMessage = verb === "MSG" || verb === "HMSG";
      const bytes = isMessage ? Number(rest.at(-1)) + CRLF.length : 0;
      const next = end + CRLF.length + bytes;
      if (this.#pending.length < next) return;
      const body = this.#pending.subarray(end + CRLF.length, next - (isMessage ? CRLF.length : 0));
      this.#pending = this.#pending.subarray(next);
      if (verb === "MSG") this.#message(rest[0] ?? "", 0, body);
      else if (verb === "HMSG") this.#message(rest[0] ?? "", Number(rest.at(-2)), body);
      else if (verb === "PING") this.#socket.write("PONG\r\n");
      else if (verb === "PONG") this.#pong();
      else if (verb === "-ERR") this.problems.push(`the server said: ${rest.join(" ")}`);
    }
  }

  #pong(): void {
    const ponged = this.#ponged;
    this.#ponged = undefined;
    ponged?.();
  }

  #message(reply: string, headerBytes: number, body: Buffer): void {
    this.#answers.set(reply, (this.#answers.get(reply) ?? 0) + 1);
    const waiting = this.#waiting.get(reply);
    if (waiting === undefined) return;
    this.#waiting.delete(reply);
    clearTimeout(waiting.timer);
    const headers = body.toString("latin1", 0, headerBytes);
    waiting.resolve({ headers, data: Buffer.from(body.subarray(headerBytes)) });
  }
}
