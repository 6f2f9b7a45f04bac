/**
 * The one reader of the log in a service: applies every event to the service's folds, in order, and then tells the
 * processes what changed.
 *
 * Processes hear nothing before the feed has caught up: acting on an old event would repeat an effect. They are
 * level-triggered, so all they need is which aggregate to look at again. When an event cannot be read the feed
 * stops for good and says at which sequence: state after a hole is fiction.
 */
import { type StoredEvent, splitSubject } from "./envelope.ts";
import { Fault, messageOf } from "./fault.ts";
import type { Captured } from "./held.ts";
import type { EventLog, Following, Logger, Timers } from "./ports.ts";
import type { EventSink } from "./sink.ts";
import { misfitOf, restoreInto, type SnapshotHead, type SnapshotStore } from "./snapshot.ts";

/** Where a start may save itself most of the log. */
export interface SnapshotSource {
  readonly store: SnapshotStore;
  readonly logger: Logger;
}

/**
 * Longest wait for an event that is in the log to be applied here, ms: a restarted server is followed again in 2 s, and who
 * waits has a caller that waits 10 s.
 */
export const APPLY_DEADLINE_MS = 8_000;

/** Called after `event` was applied to every sink, only once the feed has caught up. */
export type FeedListener = (event: StoredEvent) => void;

interface Waiter {
  readonly seq: number;
  /** With a cause: it will not be. */
  readonly settle: (cause?: unknown) => void;
}

export class EventFeed {
  readonly #log: EventLog;
  readonly #timers: Timers;
  readonly #sinks = new Map<string, EventSink>();
  readonly #listeners: FeedListener[] = [];
  readonly #stopListeners: ((cause: unknown) => void)[] = [];
  readonly #waiting = new Set<Waiter>();
  #following: Following | undefined;
  #appliedSeq = 0;
  #last: Pick<StoredEvent, "streamSubject" | "digest"> = { streamSubject: "", digest: "" };
  #live = false;
  #stopCause: unknown;

  constructor(log: EventLog, sinks: readonly EventSink[], timers: Timers) {
    this.#log = log;
    this.#timers = timers;
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

  /**
   * Begins after the newest snapshot that fits, else at the first event; resolves when caught up, rejects when the log
   * cannot be read.
   */
  async start(snapshots?: SnapshotSource): Promise<void> {
    if (snapshots !== undefined) await this.#restore(snapshots);
    await this.#follow();
  }

  /** Everything the sinks hold, as it is after the last event applied. */
  capture(nowMs: number): {
    readonly head: SnapshotHead;
    readonly captured: Map<string, readonly Captured[]>;
  } {
    const { streamSubject, digest } = this.#last;
    const schemas: Record<string, number> = {};
    const captured = new Map<string, readonly Captured[]>();
    for (const { kind, snapshot } of this.#sinks.values()) {
      if (snapshot === undefined) continue;
      schemas[kind] = snapshot.schema;
      captured.set(kind, snapshot.capture());
    }
    return { head: { streamSubject, digest, seq: this.#appliedSeq, takenAtMs: nowMs, schemas }, captured };
  }

  /** A snapshot is a cache: whatever is wrong with it, the log is there. */
  async #restore({ store, logger }: SnapshotSource): Promise<void> {
    try {
      const snapshot = await store.newest();
      if (snapshot === undefined) return;
      const { head } = snapshot;
      const misfit = await misfitOf(head, [...this.#sinks.values()], this.#log);
      if (misfit !== undefined) {
        logger.warn({ seq: head.seq }, `the snapshot is not taken over: ${misfit}`);
        return;
      }
      restoreInto([...this.#sinks.values()], snapshot);
      this.#appliedSeq = head.seq;
      this.#last = head;
      logger.info({ seq: head.seq }, "a snapshot was taken over");
    } catch (cause) {
      logger.warn({ err: cause }, `no snapshot could be read: ${messageOf(cause)}`);
    }
  }

  #follow(): Promise<void> {
    return new Promise((resolve, reject) => {
      const stopped = (cause: unknown) => {
        this.#stopCause = cause;
        for (const waiter of this.#waiting) waiter.settle(cause);
        reject(cause);
        for (const listener of this.#stopListeners) listener(cause);
      };
      this.#log
        .follow({
          fromSeq: this.#appliedSeq + 1,
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

  /**
   * Resolves once the event with sequence `seq` has been applied here: read your own write. Rejects with `Fault` UNAVAILABLE
   * after {@link APPLY_DEADLINE_MS}, and when the feed stops with what stopped it.
   */
  applied(seq: number): Promise<void> {
    if (seq <= this.#appliedSeq) return Promise.resolve();
    if (this.#stopCause !== undefined) return Promise.reject(this.#stopCause);
    return new Promise((resolve, reject) => {
      const late = this.#timers.after(APPLY_DEADLINE_MS, () => {
        const where = `event ${seq} has not come from the log in ${APPLY_DEADLINE_MS} ms, the last was ${this.#appliedSeq}`;
        waiter.settle(new Fault("UNAVAILABLE", where, { retryable: true }));
      });
      const settle = (cause?: unknown) => {
        late.cancel();
        this.#waiting.delete(waiter);
        if (cause === undefined) resolve();
        else reject(cause);
      };
      const waiter: Waiter = { seq, settle };
      this.#waiting.add(waiter);
    });
  }

  async stop(): Promise<void> {
    await this.#following?.stop();
  }

  #apply(event: StoredEvent): void {
    if (event.seq <= this.#appliedSeq) return;
    const { kind } = splitSubject(event.envelope.subject);
    this.#sinks.get(kind)?.apply(event, !this.#live);
    this.#appliedSeq = event.seq;
    this.#last = event;
    if (this.#live) for (const listener of this.#listeners) listener(event);
    for (const waiter of this.#waiting) if (waiter.seq <= event.seq) waiter.settle();
  }
}
