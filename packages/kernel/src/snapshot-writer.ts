/**
 * Writes a snapshot each time enough events have passed since the newest one.
 *
 * Every instance of the writing service counts events by itself; an instance that finds a newer snapshot in the store
 * writes none. A failed write is only logged, because a snapshot only saves time. The next write is due after the same
 * number of further events.
 */
import type { StoredEvent } from "./envelope.ts";
import { messageOf } from "./fault.ts";
import type { EventFeed } from "./feed.ts";
import type { Clock, Logger, Timers } from "./ports.ts";
import { chunksOf, type SnapshotHead, type SnapshotStore } from "./snapshot.ts";

export interface SnapshotWriterOptions {
  readonly feed: EventFeed;
  readonly store: SnapshotStore;
  /** Number of events between two snapshots. */
  readonly everyEvents: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  /** Sequence from which the events until the next write count. A failed write counts too. */
  #newestSeq = 0;
  #newest: SnapshotHead | undefined;
  /**
   * Sequence of the stored snapshot if it is beyond the end of this log: that snapshot belongs to another log and is
   * replaced.
   */
  #foreignSeq: number | undefined;
  #writing: Promise<void> | undefined;
  #ended = false;

  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
  }

  /** The newest stored snapshot of this log that this writer knows; undefined when it knows none. */
  get newest(): SnapshotHead | undefined {
    return this.#newest;
  }

  /** Begins to count events and to write snapshots. Call it once the feed is live. */
  async begin(): Promise<void> {
    const { feed, store, logger } = this.#options;
    const newest = await store.newestHead().catch((cause: unknown) => {
      logger.warn({ err: cause }, `cannot find the newest snapshot: ${messageOf(cause)}`);
      return undefined;
    });
    if (newest !== undefined && newest.seq > feed.appliedSeq) this.#foreignSeq = newest.seq;
    else this.#found(newest);
    feed.onEvent((event) => this.#count(event));
    this.#count({ seq: feed.appliedSeq });
  }

  /** Stops writing snapshots and abandons a write in progress; resolves when that write has ended. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#writing;
  }

  #count({ seq }: Pick<StoredEvent, "seq">): void {
    if (this.#writing !== undefined || this.#ended) return;
    if (seq - this.#newestSeq < this.#options.everyEvents) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    const { feed, store, everyEvents, clock, logger } = this.#options;
    const startedAtMs = clock.nowMs();
    const capture = feed.capture(startedAtMs);
    if (capture === undefined) return;
    const { head, captured } = capture;
    try {
      const newest = await store.newestHead();
      const newestSeq = newest?.seq ?? 0;
      if (newestSeq !== this.#foreignSeq && head.seq - newestSeq < everyEvents) {
        this.#found(newest);
        return;
      }
      this.#newestSeq = head.seq;
      await store.save(head, this.#untilEnded(chunksOf(captured, () => this.#pause())));
      this.#newest = head;
      logger.info({ seq: head.seq, tookMs: clock.nowMs() - startedAtMs }, "snapshot written");
    } catch (cause) {
      logger.warn({ seq: head.seq, err: cause }, `cannot write a snapshot: ${messageOf(cause)}`);
    }
  }

  #found(newest: SnapshotHead | undefined): void {
    this.#newest = newest;
    this.#newestSeq = newest?.seq ?? 0;
  }

  async *#untilEnded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      if (this.#ended) throw new Error("the service is stopping");
      yield chunk;
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.timers.after(0, resolve));
  }
}
