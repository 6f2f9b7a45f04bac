/**
 * The events of the log as an async iteration that can be resumed: in order, each once, across lost connections and
 * server restarts.
 *
 * After an interruption the watch starts to read at the last event it knows, not at the next one. If that event is
 * unchanged, byte for byte, the log is still the same and no event is missing.
 */
import { EVENT_SUBJECTS, eventSubject, isEventFilter, SkippedMessages } from "@bioxen/contracts";
import {
  type EventEnvelope,
  Fault,
  ID_PATTERN,
  messageOf,
  type StoredEvent,
  type UnreadableMessage,
  unreadableFault,
} from "@bioxen/kernel";
import { type Bus, type FollowedLog, openFollowedLog, sleep } from "@bioxen/nats/client";
import { asBioxenError, BioxenError, type WatchEndReason, WatchError } from "./errors.ts";

export type WatchedEvent = EventEnvelope & {
  /** Sequence of the event in the log, for a tenant in its feed; another watch resumes with `from: seq + 1`. */
  readonly seq: number;
};

export interface WatchOptions {
  /** First sequence to deliver, at least 1; default: only events stored after the first `next()`. */
  readonly from?: number;
  /** Aborting this signal ends the iteration, as `break` does. */
  readonly signal?: AbortSignal;
  /**
   * Called once for each message that cannot be read, unless an operator has skipped it. The iteration then goes on with
   * the next event. Without this option it ends with {@link WatchError} `event-unreadable`.
   */
  readonly onUnreadable?: (message: UnreadableMessage) => void;
}

export interface WatchEventsOptions extends WatchOptions {
  /** Delivers only the events of this VM. */
  readonly vmId?: string;
  /** Delivers only the events of this subject, such as `bioxen.evt.chassis.*`. */
  readonly subject?: string;
}

/**
 * Maximum number of events buffered for a slow reader, about 1 KB each. When the buffer is full, the watch stops
 * reading the log until the reader has taken half of the events.
 */
export const MAX_BUFFERED_EVENTS = 1_000;
/** Pause before the next attempt to read the log, ms. */
const RETRY_WAIT_MS = 250;
/** Longest time, ms, that the log may be unreadable on a connected server. After this time the watch ends. */
const LOG_AWAY_DEADLINE_MS = 30_000;
/** Longest time, ms, that `return()` waits for the server to remove the consumer of the watch. */
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
  /** The running watches of the connection, including this watch; `close()` of the connection ends all of them. */
  readonly #open: Set<EventWatch>;
  readonly #ending = new AbortController();
  readonly #buffer: StoredEvent[] = [];
  readonly #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  /** First sequence to deliver. For a watch that begins at the end of the log, undefined until that end is known. */
  #from: number | undefined;
  /** The last event received. After an interruption, the watch compares it with the log to detect another log. */
  #newest: StoredEvent | undefined;
  /** Highest sequence that the watch has seen in the log. A log that ends before this sequence is another log. */
  #knownEnd = 0;
  readonly #onUnreadable: ((message: UnreadableMessage) => void) | undefined;
  /** The messages that operators have skipped, which are never delivered. */
  readonly #skips = new SkippedMessages();
  /** Sequence of the last unreadable message that was reported. */
  #reportedSeq = 0;
  #failure: unknown;
  /** Ends the present call of {@link #readOnce}, if there is one. */
  #leave: () => void = () => undefined;
  #hasRoom: () => void = () => undefined;
  /**
   * Monotonic time, ms, at which the log of a connected server became unreadable; undefined while the log is readable
   * or the server is not connected.
   */
  #awaySinceMs: number | undefined;

  /**
   * Creates a watch; it starts to read at the first `next()`. Throws {@link BioxenError} BAD_REQUEST for invalid
   * options.
   */
  constructor(bus: Bus, options: WatchEventsOptions, open: Set<EventWatch> = new Set()) {
    this.#bus = bus;
    this.#open = open;
    this.#filter = filterOf(options);
    this.#from = options.from;
    this.#signal = options.signal;
    this.#onUnreadable = options.onUnreadable;
  }

  /** Number of events buffered for the reader. */
  get buffered(): number {
    return this.#buffer.length;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Returns the next event, and waits for it if necessary. Rejects once with {@link WatchError} when the watch has
   * failed and every buffered event has been taken.
   */
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

  /** Ends the watch. Resolves when the server has removed the consumer of the watch, or after 2 s. */
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

  /** Reports a message that cannot be read. Throws `Fault` CORRUPT_EVENT when the reader has set no `onUnreadable`. */
  #report(message: UnreadableMessage): void {
    if (this.#skips.has(message.seq) || message.seq <= this.#reportedSeq) return;
    if (this.#onUnreadable === undefined) throw unreadableFault(message);
    this.#reportedSeq = message.seq;
    this.#onUnreadable(message);
  }

  #receive(event: StoredEvent): void {
    this.#newest = event;
    if (event.streamSubject === this.#skips.streamSubject) this.#skips.observe(event);
    if (this.#skips.has(event.seq)) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#buffer.push(event);
    else waiter.resolve(this.#take(event));
  }

  /** Reads the log until the watch ends, and restarts after each interruption. Throws the error that ends the watch. */
  async #read(): Promise<void> {
    let log: FollowedLog | undefined;
    while (!this.#ending.signal.aborted) {
      try {
        log ??= await openFollowedLog(this.#bus);
        await this.#readOnce(log);
        this.#awaySinceMs = undefined;
      } catch (cause) {
        await this.#waitOrEnd(cause);
      }
      if (this.#buffer.length >= MAX_BUFFERED_EVENTS) {
        await new Promise<void>((resolve) => {
          this.#hasRoom = resolve;
          if (this.#ending.signal.aborted) resolve();
        });
      }
    }
  }

  /** Reads the log once. Resolves when reading must restart: after an interruption, or when the buffer is full. */
  async #readOnce(log: FollowedLog): Promise<void> {
    const end = await log.lastSeq();
    if (end < this.#knownEnd)
      throw this.#replaced(`it ends at ${end}, earlier it ended at ${this.#knownEnd}`);
    this.#knownEnd = end;
    this.#from ??= end + 1;
    const skips = await log.readMessages(this.#skips.streamSubject, 0);
    for (const message of skips) this.#skips.observe(message);
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
    // `left` may reject before the `await` below. Without this handler, the unhandled rejection would end the process.
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
        if (!isSame) leave(this.#replaced(`event ${known?.seq} differs from the one seen earlier`));
      },
      onUnreadable: (message) => {
        if (!over) this.#report(message);
      },
      onCaughtUp: () => {
        this.#awaySinceMs = undefined;
        if (!isSame && !over) leave(this.#replaced(`event ${known?.seq} is missing`));
      },
      onStop: leave,
      onInterrupted: () => leave(),
    });
    await left.finally(() => following.stop());
  }

  /**
   * Waits before the next attempt to read the log. Ends the watch when the connection is closed. When a further attempt
   * cannot succeed, throws the error that the reader of the watch gets.
   */
  async #waitOrEnd(cause: unknown): Promise<void> {
    if (cause instanceof WatchError) throw cause;
    if (cause instanceof Fault && cause.code === "FORBIDDEN") throw asBioxenError(cause);
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
      const message = `the log has been unreadable for ${LOG_AWAY_DEADLINE_MS} ms: ${messageOf(cause)}`;
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

/** Returns the subject to watch. Throws {@link BioxenError} BAD_REQUEST with every problem of the options. */
function filterOf(options: WatchEventsOptions): string {
  const { from, vmId, subject } = options;
  const problems: { path: string; message: string }[] = [];
  if (from !== undefined && (!Number.isSafeInteger(from) || from < 1)) {
    problems.push({ path: "from", message: `must be an integer of at least 1, is ${from}` });
  }
  if (vmId !== undefined && !ID_PATTERN.test(vmId)) {
    problems.push({ path: "vmId", message: `${JSON.stringify(vmId)} is not the id of a VM` });
  }
  if (subject !== undefined && !isEventFilter(subject)) {
    problems.push({ path: "subject", message: `${JSON.stringify(subject)} is not below ${EVENT_SUBJECTS}` });
  }
  if (subject !== undefined && vmId !== undefined) {
    problems.push({ path: "subject", message: "cannot be combined with vmId" });
  }
  if (problems.length > 0) {
    const message = problems.map((problem) => `${problem.path}: ${problem.message}`).join("; ");
    throw new BioxenError({ code: "BAD_REQUEST", message, retryable: false, details: { problems } });
  }
  return vmId === undefined ? (subject ?? EVENT_SUBJECTS) : eventSubject("vm", vmId);
}
