/**
 * The events of the log as an async iteration that can be resumed: in order, each once, across lost connections and restarted
 * servers.
 *
 * Whenever the log is taken up again it is read from the last event that is known, not from the one after: that this one is
 * still there, byte for byte, is the proof that it is the same log, and that nothing lies between.
 */
import { EVENT_SUBJECTS, eventSubject, isEventFilter } from "@bioxen/contracts";
import {
  type EventEnvelope,
  type EventLog,
  Fault,
  ID_PATTERN,
  messageOf,
  type StoredEvent,
} from "@bioxen/kernel";
import { type Bus, openExistingLog, sleep } from "@bioxen/nats/client";
import { BioxenError, type WatchEndReason, WatchError } from "./errors.ts";

export type WatchedEvent = EventEnvelope & {
  /** Its sequence in the log; `from: seq + 1` goes on after it. */
  readonly seq: number;
};

export interface WatchOptions {
  /** First sequence wanted, at least 1; default: only what is stored after the first `next()`. */
  readonly from?: number;
  /** Ends the iteration, as leaving it does. */
  readonly signal?: AbortSignal;
}

export interface WatchEventsOptions extends WatchOptions {
  /** Only the events of this VM. */
  readonly vmId?: string;
  /** Only the events of this subject, such as `bioxen.evt.chassis.*`. */
  readonly subject?: string;
}

/** Events kept for a slow reader, about 1 KB each; when there are as many the log is left, until half are taken. */
export const MAX_BUFFERED_EVENTS = 1_000;
/** Wait before the log is tried again, ms. */
const RETRY_WAIT_MS = 250;
/** When the server is connected and yet the log cannot be read for this long, the watch ends, ms. */
const LOG_AWAY_DEADLINE_MS = 30_000;
/** Longest wait of `return()` for the server, ms. */
const STOP_TIMEOUT_MS = 2_000;

type Step = IteratorResult<WatchedEvent, undefined>;
const DONE: Step = { done: true, value: undefined };

interface Waiter {
  readonly resolve: (step: Step) => void;
  readonly reject: (cause: unknown) => void;
}

export class EventWatch implements AsyncIterableIterator<WatchedEvent, undefined> {
  readonly #bus: Bus;
  readonly #filter: string;
  readonly #signal: AbortSignal | undefined;
  /** Where it is found, while it runs, by who closes the connection. */
  readonly #open: Set<EventWatch>;
  readonly #ending = new AbortController();
  readonly #buffer: StoredEvent[] = [];
  readonly #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  /** First sequence wanted; undefined until "now" is known. */
  #from: number | undefined;
  /** Newest event received: what the log is known by. */
  #newest: StoredEvent | undefined;
  /** The log had this many events; one that has fewer is another. */
  #knownEnd = 0;
  #failure: unknown;
  /** Ends the present reading of the log, if there is one. */
  #leave: () => void = () => undefined;
  #hasRoom: () => void = () => undefined;
  /** Since when there is a server and no log. */
  #awaySinceMs: number | undefined;

  /** Throws {@link BioxenError} BAD_REQUEST for options that mean nothing. */
  constructor(bus: Bus, options: WatchEventsOptions, open: Set<EventWatch> = new Set()) {
    this.#bus = bus;
    this.#open = open;
    this.#filter = filterOf(options);
    this.#from = options.from;
    this.#signal = options.signal;
  }

  /** How many events are kept for who reads. */
  get buffered(): number {
    return this.#buffer.length;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Rejects with {@link WatchError}, once, after everything that could be read has been taken. */
  async next(): Promise<Step> {
    this.#begin();
    const event = this.#buffer.shift();
    if (event !== undefined) return this.#take(event);
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
    if (this.#ending.signal.aborted) return DONE;
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Resolves when the server has forgotten it, or is away. */
  async return(): Promise<Step> {
    this.#buffer.length = 0;
    this.#end();
    const stopped = new AbortController();
    await Promise.race([this.#running, sleep(STOP_TIMEOUT_MS, stopped.signal)]);
    stopped.abort();
    return DONE;
  }

  #begin(): void {
    if (this.#running !== undefined || this.#ending.signal.aborted) return;
    if (this.#signal?.aborted === true) {
      this.#end();
      return;
    }
    this.#signal?.addEventListener("abort", this.#onAbort);
    this.#open.add(this);
    this.#running = this.#read()
      .then(
        () => this.#end(),
        (cause: unknown) => this.#end(cause),
      )
      .finally(() => this.#open.delete(this));
  }

  readonly #onAbort = () => {
    void this.return();
  };

  #end(failure?: unknown): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#leave();
    this.#hasRoom();
    const waiters = this.#waiters.splice(0);
    const first = failure === undefined ? undefined : waiters.shift();
    if (first === undefined) this.#failure = failure;
    else first.reject(failure);
    for (const waiter of waiters) waiter.resolve(DONE);
  }

  #take(event: StoredEvent): Step {
    if (this.#buffer.length <= MAX_BUFFERED_EVENTS / 2) this.#hasRoom();
    return { done: false, value: { seq: event.seq, ...event.envelope } };
  }

  #receive(event: StoredEvent): void {
    this.#newest = event;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#buffer.push(event);
    else waiter.resolve(this.#take(event));
  }

  /** Reads the log, again and again, until the watch ends. Throws what ends it. */
  async #read(): Promise<void> {
    let log: EventLog | undefined;
    while (!this.#ending.signal.aborted) {
      try {
        log ??= await openExistingLog(this.#bus);
        await this.#readOnce(log);
        this.#awaySinceMs = undefined;
      } catch (cause) {
        await this.#outlast(cause);
      }
      if (this.#buffer.length >= MAX_BUFFERED_EVENTS) {
        await new Promise<void>((resolve) => {
          this.#hasRoom = resolve;
          if (this.#ending.signal.aborted) resolve();
        });
      }
    }
  }

  /** Resolves when it is to be read anew: it was interrupted, or there is no room for more. */
  async #readOnce(log: EventLog): Promise<void> {
    const end = await log.lastSeq();
    if (end < this.#knownEnd) throw this.#replaced(`it ends at ${end}, and ended at ${this.#knownEnd}`);
    this.#knownEnd = end;
    this.#from ??= end + 1;
    const known = this.#newest;
    let isSame = known === undefined;
    let over = false;
    let leave: (cause?: unknown) => void = () => undefined;
    const left = new Promise<void>((resolve, reject) => {
      leave = (cause) => {
        over = true;
        if (cause === undefined) resolve();
        else reject(cause);
      };
    });
    // Whoever leaves while following begins is heard once it has begun.
    left.catch(() => undefined);
    this.#leave = leave;
    if (this.#ending.signal.aborted) return;
    const following = await log.follow({
      fromSeq: known?.seq ?? this.#from,
      filter: this.#filter,
      window: MAX_BUFFERED_EVENTS,
      onEvent: (event) => {
        if (over) return;
        if (isSame) {
          this.#knownEnd = Math.max(this.#knownEnd, event.seq);
          this.#receive(event);
          if (this.#buffer.length >= MAX_BUFFERED_EVENTS) leave();
          return;
        }
        isSame = event.seq === known?.seq && event.digest === known.digest;
        if (!isSame) leave(this.#replaced(`event ${known?.seq} is not the one that was seen`));
      },
      onCaughtUp: () => {
        this.#awaySinceMs = undefined;
        if (!isSame && !over) leave(this.#replaced(`event ${known?.seq} is no longer there`));
      },
      onStop: leave,
      onInterrupted: () => leave(),
    });
    await left.finally(() => following.stop());
  }

  /** Waits when trying again can help; else throws what the reader is told. */
  async #outlast(cause: unknown): Promise<void> {
    if (cause instanceof WatchError) throw cause;
    if (cause instanceof Fault && cause.code === "CORRUPT_EVENT") {
      throw this.#ended("event-unreadable", cause.message, cause);
    }
    if (this.#bus.connection.isClosed()) {
      this.#end();
      return;
    }
    const nowMs = performance.now();
    if (!this.#bus.connected) this.#awaySinceMs = undefined;
    else this.#awaySinceMs ??= nowMs;
    if (this.#awaySinceMs !== undefined && nowMs - this.#awaySinceMs > LOG_AWAY_DEADLINE_MS) {
      const message = `the log cannot be read for ${LOG_AWAY_DEADLINE_MS} ms: ${messageOf(cause)}`;
      throw this.#ended("log-away", message, cause);
    }
    await sleep(RETRY_WAIT_MS, this.#ending.signal);
  }

  #replaced(why: string): WatchError {
    return this.#ended("log-replaced", `the log was cut short or replaced: ${why}`);
  }

  #ended(reason: WatchEndReason, message: string, cause?: unknown): WatchError {
    const lastSeq = this.#newest?.seq ?? (this.#from ?? this.#knownEnd + 1) - 1;
    return new WatchError(reason, message, lastSeq, cause);
  }
}

/** The one subject that is asked for. Throws BAD_REQUEST, with every problem. */
function filterOf(options: WatchEventsOptions): string {
  const { from, vmId, subject } = options;
  const problems: { path: string; message: string }[] = [];
  if (from !== undefined && (!Number.isSafeInteger(from) || from < 1)) {
    problems.push({ path: "from", message: `must be a whole number of at least 1, is ${from}` });
  }
  if (vmId !== undefined && !ID_PATTERN.test(vmId)) {
    problems.push({ path: "vmId", message: `${JSON.stringify(vmId)} is no id of a VM` });
  }
  if (subject !== undefined && !isEventFilter(subject)) {
    problems.push({ path: "subject", message: `${JSON.stringify(subject)} is not below ${EVENT_SUBJECTS}` });
  }
  if (subject !== undefined && vmId !== undefined) {
    problems.push({ path: "subject", message: "is not to be given beside vmId" });
  }
  if (problems.length > 0) {
    const message = problems.map((problem) => `${problem.path}: ${problem.message}`).join("; ");
    throw new BioxenError({ code: "BAD_REQUEST", message, retryable: false, details: { problems } });
  }
  return vmId === undefined ? (subject ?? EVENT_SUBJECTS) : eventSubject("vm", vmId);
}
