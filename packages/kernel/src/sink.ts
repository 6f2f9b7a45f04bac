/**
 * Sinks: the targets to which the feed applies events. A snapshot saves a part of a sink. Each `Aggregates` object and
 * each read model is a sink.
 */
import type { EventMark, StoredEvent } from "./envelope.ts";
import type { SetAside, UnreadableMessage } from "./unreadable.ts";
import type { Captured } from "./versioned-states.ts";

/** Folds the events of one kind of aggregate. */
export interface EventSink {
  readonly kind: string;
  /** Absent when the sink must see every event: its service then never starts from a snapshot. */
  readonly snapshot?: SnapshotPart;
  /**
   * Folds one event. `replayed` is true while the service starts and reads events from before the start. An event that
   * does not fit its aggregate sets the aggregate aside, like an unreadable message.
   */
  apply(event: StoredEvent, replayed: boolean): void;
  /** Records a message of aggregate `id` that cannot be decoded. The aggregate is not folded further. */
  setAside(id: string, message: UnreadableMessage): void;
  /** Returns why aggregate `id` is not folded further; undefined for an aggregate without a problem. */
  asideOf(id: string): SetAside | undefined;
  /** Returns every aggregate that is not folded further. */
  asides(): Iterable<SetAside>;
  /** Returns the sequence of the last folded event of aggregate `id`; 0 without an event. */
  lastSeq(id: string): number;
  /** Lets the next `apply` fold aggregate `id` again, after an operator skipped a message or took a skip back. */
  resume(id: string): void;
}

/** The part of a sink that a snapshot saves and restores. */
export interface SnapshotPart {
  /** Version of the folded states; see `Fold.schema`. */
  readonly schema: number;
  /** Returns every aggregate as it is now; later events do not change the result. */
  capture(): readonly Captured[];
  /** Returns the newest event folded since the start of the process; undefined before the first one. */
  newest(): EventMark | undefined;
  /**
   * Restores one aggregate from its line in `chunk`: the bytes from `from` up to but excluding `to`, without
   * end-of-line.
   */
  restore(chunk: Uint8Array, from: number, to: number): void;
  /** Called once the whole snapshot has been restored. */
  restored(): void;
  /** Empties the sink; called when the snapshot is damaged. */
  discard(): void;
}
