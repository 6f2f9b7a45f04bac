/**
 * Reads a long stretch of the log through a thread (docs/adr/0012-a-thread-reads-a-long-log.md).
 *
 * The thread reads the events, and the main thread decodes and applies them. Both cores of a small machine are used,
 * and the slower of the two threads determines the rate. Each turn of the event loop applies one batch, so that timers
 * and sockets get their turns. Every failure of the thread is reported with the last applied sequence, so that no event
 * is lost or applied twice.
 */
import { Worker } from "node:worker_threads";
import { decodeMessage, EVENT_STREAM } from "@bioxen/contracts";
import { deliverTo, type MessageListeners } from "@bioxen/kernel";
import { AckPolicy, DeliverPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { createInbox } from "@nats-io/nats-core";
import type { BusOptions } from "./dial.ts";
import {
  type FromReader,
  type ReadBatch,
  type ReaderData,
  type ToReader,
  unpack,
} from "./reader-protocol.ts";
import { settledWithin } from "./settled-within.ts";

/** Longest time without a message from the thread, ms. A stalled server exceeds it, a busy machine does not. */
const SILENCE_LIMIT_MS = 10_000;
/** Time after the last request at which the server deletes a consumer that the client has not deleted, ms. */
const CONSUMER_INACTIVE_MS = 30_000;
/** Longest wait for the deletion of the consumer and for the end of the thread, ms. */
const LEAVE_TIMEOUT_MS = 1_000;
const NANOS_PER_MS = 1_000_000;

export type StartReader = (data: ReaderData) => Worker;

export interface CatchUpOptions {
  readonly jsm: JetStreamManager;
  readonly bus: BusOptions;
  readonly fromSeq: number;
  /** Sequence of the last event to deliver. The stream must contain it. */
  readonly untilSeq: number;
  readonly to: MessageListeners;
  readonly startReader?: StartReader | undefined;
}

/** How a catch-up ended. `nextSeq` is the first sequence that was not applied. */
export type CaughtUp =
  | { readonly kind: "done" | "stopped"; readonly nextSeq: number }
  /** The thread or its connection failed; the log itself may be intact. */
  | { readonly kind: "failed"; readonly nextSeq: number; readonly cause: unknown }
  /** An event is unreadable and no listener takes it, or a listener threw. */
  | { readonly kind: "refused"; readonly nextSeq: number; readonly cause: unknown };

export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #consumer = `reader-${createInbox().split(".").at(-1)}`;
  readonly #batches: ReadBatch[] = [];
  readonly #over: Promise<CaughtUp>;
  #end: (end: CaughtUp) => void = () => undefined;
  #worker: Worker | undefined;
  #nextSeq: number;
  /** True once the thread has posted every event up to `untilSeq`. */
  #read = false;
  #turn: NodeJS.Immediate | undefined;
  #silence: NodeJS.Timeout | undefined;
  #ending = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
    this.#nextSeq = options.fromSeq;
    this.#over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /**
   * Delivers the events and returns how the catch-up ended, after the thread and the server's consumer are removed.
   * Never rejects.
   */
  async run(): Promise<CaughtUp> {
    const { jsm, fromSeq } = this.#options;
    try {
      await jsm.consumers.add(EVENT_STREAM, {
        name: this.#consumer,
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: fromSeq,
        mem_storage: true,
        num_replicas: 1,
        inactive_threshold: CONSUMER_INACTIVE_MS * NANOS_PER_MS,
      });
      if (!this.#ending) this.#start();
    } catch (cause) {
      this.#finish({ kind: "failed", nextSeq: fromSeq, cause });
    }
    const end = await this.#over;
    await this.#leave();
    return end;
  }

  /** Ends the delivery of events; `run` then resolves. */
  stop(): void {
    this.#finish({ kind: "stopped", nextSeq: this.#nextSeq });
  }

  #start(): void {
    const { bus, untilSeq, startReader = startLogReader } = this.#options;
    const data = { bus, stream: EVENT_STREAM, consumer: this.#consumer, untilSeq };
    const worker = startReader(data);
    this.#worker = worker;
    worker.on("message", (message: FromReader) => this.#receive(message));
    worker.on("error", (cause) => this.#fail(cause));
    worker.on("exit", () => {
      if (!this.#read) this.#fail(new Error("the reading thread ended"));
    });
    this.#expect();
  }

  #receive(message: FromReader): void {
    if (this.#ending) return;
    if (message.kind === "failed") {
      this.#fail(new Error(message.why));
      return;
    }
    if (message.kind === "batch") this.#batches.push(message.batch);
    else this.#read = true;
    this.#turn ??= setImmediate(() => this.#applyNext());
  }

  #applyNext(): void {
    this.#turn = undefined;
    const batch = this.#batches.shift();
    if (batch !== undefined) {
      try {
        unpack(batch, (...message) => this.#apply(...message));
      } catch (cause) {
        this.#finish({ kind: "refused", nextSeq: this.#nextSeq, cause });
      }
      this.#expect();
      this.#worker?.postMessage({ kind: "applied", events: batch.seqs.length } satisfies ToReader);
    }
    if (this.#ending) return;
    if (this.#batches.length > 0) this.#turn = setImmediate(() => this.#applyNext());
    else if (this.#read) this.#finish({ kind: "done", nextSeq: this.#options.untilSeq + 1 });
  }

  #apply(bytes: Uint8Array, seq: number, subject: string, digest: string): void {
    if (this.#ending) return;
    if (seq < this.#nextSeq) {
      this.#fail(new Error(`event ${seq} arrived after ${this.#nextSeq - 1}`));
      return;
    }
    deliverTo(this.#options.to, decodeMessage(bytes, seq, subject, digest));
    this.#nextSeq = seq + 1;
  }

  #expect(): void {
    if (this.#ending) return;
    this.#silence?.refresh();
    this.#silence ??= setTimeout(
      () => this.#fail(new Error(`the reading thread was silent for ${SILENCE_LIMIT_MS} ms`)),
      SILENCE_LIMIT_MS,
    );
  }

  #fail(cause: unknown): void {
    this.#finish({ kind: "failed", nextSeq: this.#nextSeq, cause });
  }

  #finish(end: CaughtUp): void {
    if (this.#ending) return;
    this.#ending = true;
    clearTimeout(this.#silence);
    clearImmediate(this.#turn);
    this.#batches.length = 0;
    this.#end(end);
  }

  async #leave(): Promise<void> {
    const { jsm } = this.#options;
    const forgotten = jsm.consumers.delete(EVENT_STREAM, this.#consumer);
    await settledWithin(Promise.allSettled([endOf(this.#worker), forgotten]), LEAVE_TIMEOUT_MS);
    await this.#worker?.terminate();
  }
}

export const startLogReader: StartReader = (data) =>
  new Worker(new URL("./log-reader.ts", import.meta.url), { workerData: data, name: "bioxen-log-reader" });

async function endOf(worker: Worker | undefined): Promise<void> {
  if (worker === undefined || worker.threadId === -1) return;
  const gone = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.postMessage({ kind: "stop" } satisfies ToReader);
  await gone;
}
