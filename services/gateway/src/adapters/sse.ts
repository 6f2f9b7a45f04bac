/**
 * Server-sent events to one client, in the form of the HTML standard, over the response of a request.
 */
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { EventSink } from "../app/event-flow.ts";

/** Pause between two heartbeats, ms: proxies end connections that are silent for a minute or less. */
const HEARTBEAT_MS = 15_000;
/** Bytes in the buffer of a client above which its stream pauses. */
const FULL_BYTES = 262_144;
/** Longest time in which a client reads a full buffer, ms. After it the stream ends, and the client resumes. */
const DRAIN_DEADLINE_MS = 30_000;
/** Longest time in which a client reads the rest of a stream that has ended, ms. */
const END_DEADLINE_MS = 5_000;
/** Pause of a client before it connects again, ms. */
const RETRY_MS = 1_000;
/**
 * Time for which messages are collected into one write, ms. Telemetry of a large fleet is thousands of messages a second:
 * a packet for each would keep the gateway and the browser busy. No eye notices the delay.
 */
const COLLECT_MS = 20;
/** Interval of the check whether the caller still has its rights, ms. */
const CHECK_MS = 1_000;

export class SseStream implements EventSink {
  readonly #response: ServerResponse;
  readonly #timers: NodeJS.Timeout[];
  /** Set while messages are collected. */
  #collecting: NodeJS.Timeout | undefined;
  readonly #whenClosed: (() => void)[] = [];
  #isClosed: boolean;
  #isEnding = false;
  #draining: Promise<void> | undefined;

  /** `isAllowed` returns false once the caller may not read on: its token was revoked or expired, its session ended. */
  constructor(reply: FastifyReply, isAllowed: () => boolean) {
    reply.hijack();
    this.#response = reply.raw;
    // A client can leave before its stream begins. Its connection then never closes again.
    this.#isClosed = this.#response.closed || this.#response.destroyed;
    this.#response.on("error", () => this.#response.destroy());
    this.#response.once("close", () => this.#close());
    const check = () => {
      if (!isAllowed()) this.end();
    };
    this.#timers = [
      setInterval(() => this.#response.write(":\n\n"), HEARTBEAT_MS),
      setInterval(check, CHECK_MS),
    ];
    if (this.#isClosed) this.#close();
    else this.#begin(reply);
  }

  #begin(reply: FastifyReply): void {
    const headers = {
      ...reply.getHeaders(),
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Tells proxies not to collect the answer.
      "x-accel-buffering": "no",
    };
    for (const [name, value] of Object.entries(headers))
      if (value !== undefined) this.#response.setHeader(name, value);
    this.#response.writeHead(200);
    this.#response.write(`retry: ${RETRY_MS}\n\n`);
  }

  #close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#collecting);
    for (const act of this.#whenClosed.splice(0)) act();
  }

  /** Calls `act` once, when the stream has ended; at once for a client that is gone already. */
  onClose(act: () => void): void {
    if (this.#isClosed) act();
    else this.#whenClosed.push(act);
  }

  get isFull(): boolean {
    return this.#response.writableLength > FULL_BYTES;
  }

  write({ id, event, data }: Parameters<EventSink["write"]>[0]): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#collect();
    const head = id === undefined ? "" : `id: ${id}\n`;
    // A type of event is a word, and JSON has no line break outside of its strings.
    this.#response.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** The first message after a pause starts to collect; the response holds back what is written until then. */
  #collect(): void {
    if (this.#collecting !== undefined) return;
    this.#response.cork();
    this.#collecting = setTimeout(() => this.#send(), COLLECT_MS);
  }

  #send(): void {
    if (this.#collecting === undefined) return;
    clearTimeout(this.#collecting);
    this.#collecting = undefined;
    this.#response.uncork();
  }

  drained(): Promise<void> {
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
    return this.#draining;
  }

  #drain(): Promise<void> {
    const response = this.#response;
    this.#send();
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => () => {
        clearTimeout(timer);
        response.off("drain", drained);
        response.off("close", gone);
        act();
      };
      const drained = settle(resolve);
      const gone = settle(() => reject(new Error("the client is gone")));
      const timer = setTimeout(() => {
        gone();
        response.destroy();
      }, DRAIN_DEADLINE_MS);
      response.on("drain", drained);
      response.on("close", gone);
      if (this.#isClosed) gone();
      else if (!response.writableNeedDrain) drained();
    });
  }

  /** Ends the stream after what the buffer holds. A client that does not read that soon is disconnected. */
  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.#send();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.push(setTimeout(() => this.#response.destroy(), END_DEADLINE_MS));
    this.#response.end();
  }
}
