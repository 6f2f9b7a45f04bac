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
/** Pause of a client before it connects again, ms. */
const RETRY_MS = 1_000;
/** Interval of the check whether the caller still has its rights, ms. */
const CHECK_MS = 1_000;

export interface SseOptions {
  /** Returns false once the caller may not read on: its token was revoked, its session ended. */
  readonly isAllowed: () => boolean;
  /** Called once, when the stream has ended. */
  readonly onEnd: () => void;
}

export class SseStream implements EventSink {
  readonly #response: ServerResponse;
  readonly #timers: NodeJS.Timeout[];
  #isOver = false;

  constructor(reply: FastifyReply, { isAllowed, onEnd }: SseOptions) {
    reply.hijack();
    this.#response = reply.raw;
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
    const check = () => {
      if (!isAllowed()) this.end();
    };
    this.#timers = [
      setInterval(() => this.#response.write(":\n\n"), HEARTBEAT_MS),
      setInterval(check, CHECK_MS),
    ];
    this.#response.once("close", () => {
      this.#isOver = true;
      for (const timer of this.#timers) clearInterval(timer);
      onEnd();
    });
    this.#response.on("error", () => this.#response.destroy());
  }

  get isFull(): boolean {
    return this.#response.writableLength > FULL_BYTES;
  }

  write({ id, event, data }: Parameters<EventSink["write"]>[0]): void {
    if (this.#isOver) return;
    const head = id === undefined ? "" : `id: ${id}\n`;
    // A type of event is a word, and JSON has no line break outside of its strings.
    this.#response.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  drained(): Promise<void> {
    const response = this.#response;
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
      if (this.#isOver) gone();
      else if (!response.writableNeedDrain) drained();
    });
  }

  end(): void {
    if (this.#isOver) return;
    this.#response.end();
  }
}
