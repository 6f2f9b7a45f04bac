/**
 * The one reader of the log in a service: applies every event to the service's folds, in order, and then tells the
 * processes what changed.
 *
 * Processes hear nothing before the feed has caught up: acting on an old event would repeat an effect. They are
 * level-triggered, so all they need is which aggregate to look at again. When an event cannot be read the feed
 * stops for good and says at which sequence: state after a hole is fiction.
 */
import type { StoredEvent } from "./envelope.ts";
import { messageOf } from "./fault.ts";
import type { EventLog, Following } from "./ports.ts";

/** Anything that folds the events of one kind: an `Aggregates` or a read model. */
export interface EventSink {
  readonly kind: string;
  apply(event: StoredEvent): void;
}

/** Called after `event` was applied to every sink, only once the feed has caught up. */
export type FeedListener = (event: StoredEvent) => void;

export class EventFeed {
  readonly #log: EventLog;
  readonly #sinks = new Map<string, EventSink>();
  readonly #listeners: FeedListener[] = [];
  readonly #stopListeners: ((cause: unknown) => void)[] = [];
  readonly #waiting: {
    readonly seq: number;
    readonly resolve: () => void;
    readonly reject: (e: unknown) => void;
  }[] = [];
  #following: Following | undefined;
  #appliedSeq = 0;
  #live = false;
  #stopCause: unknown;

  constructor(log: EventLog, sinks: readonly EventSink[]) {
    this.#log = log;
    for (const sink of sinks) this.#sinks.set(sink.kind, sink);
  }

  /** Sequence of the last event applied. */
  get appliedSeq(): number {
    return this.#appliedSeq;
  }

  /** True once everything stored at the start has been applied, and while nothing stopped the feed. */
  get live(): boolean {
    return this.#live && this.#stopCause === undefined;
  }

  /** Why the feed stopped, in one sentence; undefined while it runs. */
  get stopReason(): string | undefined {
    return this.#stopCause === undefined ? undefined : messageOf(this.#stopCause);
  }

  onEvent(listener: FeedListener): void {
    this.#listeners.push(listener);
  }

  /** Called once, when the feed ends by itself. */
  onStop(listener: (cause: unknown) => void): void {
    this.#stopListeners.push(listener);
  }

  /** Begins at the first event; resolves when caught up, rejects when the log cannot be read. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const stopped = (cause: unknown) => {
        this.#stopCause = cause;
        for (const waiter of this.#waiting.splice(0)) waiter.reject(cause);
        reject(cause);
        for (const listener of this.#stopListeners) listener(cause);
      };
      this.#log
        .follow({
          fromSeq: 1,
          onEvent: (event) => this.#apply(event),
          onCaughtUp: () => {
            this.#live = true;
            resolve();
          },
          onStop: stopped,
        })
        .then((following) => {
          this.#following = following;
        }, stopped);
    });
  }

  /** Resolves once the event with sequence `seq` has been applied here: read your own write. */
  applied(seq: number): Promise<void> {
    if (seq <= this.#appliedSeq) return Promise.resolve();
    if (this.#stopCause !== undefined) return Promise.reject(this.#stopCause);
    return new Promise((resolve, reject) => this.#waiting.push({ seq, resolve, reject }));
  }

  async stop(): Promise<void> {
    await this.#following?.stop();
  }

  #apply(event: StoredEvent): void {
    if (event.seq <= this.#appliedSeq) return;
    const kind = event.envelope.subject.slice(0, event.envelope.subject.indexOf("/"));
    this.#sinks.get(kind)?.apply(event);
    this.#appliedSeq = event.seq;
    if (this.#live) for (const listener of this.#listeners) listener(event);
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) {
      const waiter = this.#waiting[i];
      if (waiter !== undefined && waiter.seq <= event.seq) {
        this.#waiting.splice(i, 1);
        waiter.resolve();
      }
    }
  }
}
