/**
 * A service's read-only view of aggregates that another service owns: it folds their events and appends none.
 */
import type { Fold } from "./decider.ts";
import { type CauseEvent, positionOf, type StoredEvent, splitSubject } from "./envelope.ts";
import type { EventLog } from "./ports.ts";
import type { EventSink, SnapshotPart } from "./sink.ts";
import type { SetAside, UnreadableMessage } from "./unreadable.ts";
import { VersionedStates } from "./versioned-states.ts";

export class ReadModel<State> implements EventSink {
  readonly kind: string;
  readonly snapshot: SnapshotPart;
  readonly #states: VersionedStates<State>;

  constructor(kind: string, fold: Fold<State>) {
    this.kind = kind;
    const states = new VersionedStates(fold);
    this.#states = states;
    this.snapshot = {
      schema: fold.schema,
      capture: () => states.capture(),
      newest: () => states.newest,
      restore: (chunk, from, to) => states.restore(chunk, from, to),
      restored: () => undefined,
      discard: () => states.clear(),
    };
  }

  apply(event: StoredEvent): void {
    const { id } = splitSubject(event.envelope.subject);
    this.#states.apply(id, event, positionOf(event));
  }

  setAside(id: string, message: UnreadableMessage): void {
    this.#states.setAside(id, message);
  }

  asideOf(id: string): SetAside | undefined {
    return this.#states.asideOf(id);
  }

  asides(): Iterable<SetAside> {
    return this.#states.asides();
  }

  resume(id: string): void {
    this.#states.resume(id);
  }

  get(id: string): State {
    return this.#states.get(id).state;
  }

  /** Returns the last event of aggregate `id`; undefined for an aggregate without events. */
  last(id: string): CauseEvent | undefined {
    return this.#states.get(id).last;
  }

  /** Returns the stream sequence of the last event of aggregate `id`; 0 for an aggregate without events. */
  lastSeq(id: string): number {
    return this.#states.get(id).lastSeq;
  }

  ids(): IterableIterator<string> {
    return this.#states.ids();
  }

  *entries(): IterableIterator<[string, State]> {
    for (const [id, { state }] of this.#states.entries()) yield [id, state];
  }

  *values(): IterableIterator<State> {
    for (const [, { state }] of this.#states.entries()) yield state;
  }
}

/** Returns the state of an aggregate after `events`, which must begin with the first event of that aggregate. */
export function foldAll<State>(fold: Fold<State>, events: Iterable<StoredEvent>): State {
  let state = fold.initial;
  for (const event of events) state = fold.evolve(state, event.envelope, positionOf(event));
  return state;
}

/** Returns one aggregate as it was after the event with sequence `atSeq`, which the log must have. */
export async function foldAt<State>(
  log: EventLog,
  streamSubject: string,
  fold: Fold<State>,
  atSeq: number,
): Promise<State> {
  return foldAll(fold, await log.read(streamSubject, 0, atSeq));
}
