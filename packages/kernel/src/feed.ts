/**
 * The only reader of the log in a service: applies every event to the service's folds in order, then notifies the
 * process managers.
 *
 * Process managers get no notification before the feed has caught up, because an old event would make them repeat an
 * effect. They are level-triggered, so they need to know only which aggregate changed. An unreadable message sets its
 * aggregate aside: that aggregate is not folded further, and the feed goes on with all other aggregates.
 */
import { AsideMessages } from "./aside-messages.ts";
import { type EventMark, type StoredEvent, splitSubject } from "./envelope.ts";
import { Fault, messageOf } from "./fault.ts";
import { LogGap } from "./log-gap.ts";
import type { EventLog, Following, Logger, Timers } from "./ports.ts";
import type { EventSink } from "./sink.ts";
import { NO_SKIPS, type Skips } from "./skips.ts";
import { restoreInto, type SnapshotHead, type SnapshotStore, snapshotMismatch } from "./snapshot.ts";
import { isUnreadable, type LogMessage, type UnreadableMessage } from "./unreadable.ts";
import type { Captured } from "./versioned-states.ts";

/**
 * The store of snapshots, and the logger for failures of that store. A start reads the newest snapshot instead of most
 * of the log.
 */
export interface SnapshotSource {
  readonly store: SnapshotStore;
  readonly logger: Logger;
}

/**
 * Longest wait of {@link EventFeed.applied} for an event, ms. After a restart of the server, a feed receives events
 * again within 2 s; the deadline of a caller is 10 s. The wait lies between these two times.
 */
export const APPLY_DEADLINE_MS = 8_000;

/** Called with each event that was applied after the feed had caught up with the log. */
export type FeedListener = (event: StoredEvent) => void;

interface Waiter {
  readonly seq: number;
  /**
   * Ends the wait. Called without an argument when the event has been applied, and with the cause when the wait failed.
   */
  readonly settle: (cause?: unknown) => void;
}

export class EventFeed {
  readonly #log: EventLog;
  readonly #timers: Timers;
  readonly #skips: Skips;
  readonly #sinks = new Map<string, EventSink>();
  readonly #aside: AsideMessages;
  readonly #listeners: FeedListener[] = [];
  readonly #unreadableListeners: ((message: UnreadableMessage) => void)[] = [];
  readonly #rereadListeners: (() => void)[] = [];
  readonly #stopListeners: ((cause: unknown) => void)[] = [];
  readonly #waiting = new Set<Waiter>();
  #following: Following | undefined;
  #appliedSeq = 0;
  #last: Pick<StoredEvent, "streamSubject" | "digest"> = { streamSubject: "", digest: "" };
  /** Newest event in the restored states, when they are ahead of the snapshot's head. */
  #newestRestored: EventMark | undefined;
  #live = false;
  #stopCause: unknown;
  #mayMiss: (seq: number) => boolean = () => false;

  constructor(log: EventLog, sinks: readonly EventSink[], timers: Timers, skips: Skips = NO_SKIPS) {
    this.#log = log;
    this.#timers = timers;
    this.#skips = skips;
    for (const sink of sinks) this.#sinks.set(sink.kind, sink);
    this.#aside = new AsideMessages({
      log,
      timers,
      skips,
      sinks: this.#sinks,
      onEvent: (event) => this.#notify(event),
      onReread: () => {
        for (const listener of this.#rereadListeners) listener();
      },
    });
  }

  /** Sequence of the last event applied. */
  get appliedSeq(): number {
    return this.#appliedSeq;
  }

  /** True once every event that was stored at the start has been applied. False again when the feed has stopped. */
  get live(): boolean {
    return this.#live && this.#stopCause === undefined;
  }

  /** The reason why the feed stopped by itself, in one sentence; undefined when it did not. */
  get stopReason(): string | undefined {
    return this.#stopCause === undefined ? undefined : messageOf(this.#stopCause);
  }

  /**
   * Returns the unreadable messages, which no fold of this process contains, in order of sequence. For each aggregate,
   * only the first such message is listed: later messages of the aggregate wait until that message is skipped.
   */
  unreadable(): readonly UnreadableMessage[] {
    return this.#aside.all();
  }

  /**
   * Registers a listener that is called after an aggregate was folded again because of a skip. Event listeners get the
   * refolded events, but cannot always see from these events that the aggregate had been set aside.
   */
  onReread(listener: () => void): void {
    this.#rereadListeners.push(listener);
  }

  /** Registers a listener that is called for each message that cannot be read and arrives while the feed is live. */
  onUnreadable(listener: (message: UnreadableMessage) => void): void {
    this.#unreadableListeners.push(listener);
  }

  /** Resolves once the subject's aggregate has been folded again with the skips that this process knows now. */
  rereadOf(streamSubject: string): Promise<void> {
    return this.#aside.settled(streamSubject);
  }

  /**
   * Sets the rule that says which missing sequences are no loss. At any other gap the feed stops with {@link LogGap},
   * because a state that misses an event would be wrong. Must be called before `start`.
   */
  mayMiss(isNoLoss: (seq: number) => boolean): void {
    this.#mayMiss = isNoLoss;
  }

  onEvent(listener: FeedListener): void {
    this.#listeners.push(listener);
  }

  /** Registers a listener that is called once if the feed stops by itself, without a call of `stop`. */
  onStop(listener: (cause: unknown) => void): void {
    this.#stopListeners.push(listener);
  }

  /**
   * Reads the log from the newest usable snapshot on, or from its first event when no snapshot is usable. Resolves when
   * the feed has caught up; rejects when the log cannot be read.
   */
  async start(snapshots?: SnapshotSource): Promise<void> {
    await this.#readSkips();
    if (snapshots !== undefined) await this.#restore(snapshots);
    await this.#follow();
  }

  /**
   * Returns what a snapshot needs: the present aggregates of every sink that supports snapshots, and a head that
   * identifies the last applied event. Returns undefined while an aggregate is set aside: a start from such a snapshot
   * would not read the message that blocks the aggregate.
   */
  capture(
    nowMs: number,
  ): { readonly head: SnapshotHead; readonly captured: Map<string, readonly Captured[]> } | undefined {
    if (!this.#aside.isEmpty) return undefined;
    const skipped = this.#skips.upTo(this.#appliedSeq);
    const { streamSubject, digest } = this.#last;
    const schemas: Record<string, number> = {};
    const captured = new Map<string, readonly Captured[]>();
    let newest = this.#newestRestored;
    for (const { kind, snapshot } of this.#sinks.values()) {
      if (snapshot === undefined) continue;
      schemas[kind] = snapshot.schema;
      captured.set(kind, snapshot.capture());
      const own = snapshot.newest();
      if (own !== undefined && own.seq > (newest?.seq ?? 0)) newest = own;
    }
    const isAhead = newest !== undefined && newest.seq > this.#appliedSeq;
    const head = {
      streamSubject,
      digest,
      seq: this.#appliedSeq,
      takenAtMs: nowMs,
      schemas,
      ...(isAhead ? { newest } : {}),
      ...(skipped.length === 0 ? {} : { skipped }),
    };
    return { head, captured };
  }

  /**
   * Restores the sinks from the newest usable snapshot. Never throws: a snapshot is a cache, and without one the start
   * reads the whole log.
   */
  async #restore({ store, logger }: SnapshotSource): Promise<void> {
    try {
      const snapshot = await store.newest();
      if (snapshot === undefined) return;
      const { head } = snapshot;
      const mismatch = await snapshotMismatch(head, [...this.#sinks.values()], this.#log, this.#skips);
      if (mismatch !== undefined) {
        logger.warn({ seq: head.seq }, `ignoring the snapshot: ${mismatch}`);
        return;
      }
      restoreInto([...this.#sinks.values()], snapshot);
      this.#appliedSeq = head.seq;
      this.#last = head;
      this.#newestRestored = head.newest;
      logger.info({ seq: head.seq }, "state restored from a snapshot");
    } catch (cause) {
      logger.warn({ err: cause }, `cannot read a snapshot: ${messageOf(cause)}`);
    }
  }

  /** Reads all recorded skips before any other event, because a skip also applies to messages older than itself. */
  async #readSkips(): Promise<void> {
    const { streamSubject } = this.#skips;
    if (streamSubject === undefined) return;
    for (const message of await this.#log.readMessages(streamSubject, 0)) {
      const { change, rejected } = this.#skips.observe(message);
      if (change !== undefined) this.#aside.forget(change.seq);
      if (rejected !== undefined) this.#aside.addLoose(rejected);
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
          onEvent: (event) => this.#receive(event),
          onUnreadable: (message) => this.#receive(message),
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
   * Resolves once the event with sequence `seq` has been applied here, so that a caller reads its own write. Rejects
   * with `Fault` UNAVAILABLE after {@link APPLY_DEADLINE_MS}, and with the cause when the feed stops.
   */
  applied(seq: number): Promise<void> {
    if (seq <= this.#appliedSeq) return Promise.resolve();
    if (this.#stopCause !== undefined) return Promise.reject(this.#stopCause);
    return new Promise((resolve, reject) => {
      const late = this.#timers.after(APPLY_DEADLINE_MS, () => {
        const message =
          `event ${seq} was not applied within ${APPLY_DEADLINE_MS} ms: ` +
          `the last applied event is ${this.#appliedSeq}, retry`;
        waiter.settle(new Fault("UNAVAILABLE", message, { retryable: true }));
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
    this.#aside.stop();
    await this.#following?.stop();
  }

  #receive(message: LogMessage): void {
    if (message.seq <= this.#appliedSeq) return;
    for (let seq = this.#appliedSeq + 1; seq < message.seq; seq += 1) {
      if (!this.#mayMiss(seq)) throw new LogGap(seq, message.seq - 1);
    }
    this.#take(message);
    this.#appliedSeq = message.seq;
    this.#last = message;
    if (this.#live && !isUnreadable(message) && this.#isFolded(message)) this.#notify(message);
    for (const waiter of this.#waiting) if (waiter.seq <= message.seq) waiter.settle();
  }

  #take(message: LogMessage): void {
    const isSkip = message.streamSubject === this.#skips.streamSubject;
    const { change, rejected } = isSkip ? this.#skips.observe(message) : {};
    if (rejected !== undefined) {
      this.#aside.reread(rejected);
      this.#aside.addLoose(rejected);
    }
    if (!this.#skips.has(message.seq)) {
      if (isUnreadable(message)) {
        this.#aside.add(message);
        if (this.#live) for (const listener of this.#unreadableListeners) listener(message);
      } else this.#sinks.get(splitSubject(message.envelope.subject).kind)?.apply(message, !this.#live);
    }
    if (change !== undefined) this.#aside.reread(change);
  }

  /** Returns false for an event that listeners must not get: a skipped event, or an event that its sink rejected. */
  #isFolded({ seq, envelope }: StoredEvent): boolean {
    if (this.#skips.has(seq)) return false;
    const { kind, id } = splitSubject(envelope.subject);
    const sink = this.#sinks.get(kind);
    return sink === undefined || sink.lastSeq(id) >= seq;
  }

  #notify(event: StoredEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
