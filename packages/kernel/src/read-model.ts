/**
 * A service's view of aggregates it does not own: the same fold as the owner's, with nothing to append.
 */
import type { Fold } from "./decider.ts";
import { type EventEnvelope, positionOf, type StoredEvent } from "./envelope.ts";
import type { EventSink } from "./feed.ts";

export class ReadModel<State> implements EventSink {
  readonly kind: string;
  readonly #fold: Fold<State>;
  readonly #states = new Map<string, State>();
  readonly #last = new Map<string, EventEnvelope>();

  constructor(kind: string, fold: Fold<State>) {
    this.kind = kind;
    this.#fold = fold;
  }

  apply(event: StoredEvent): void {
    const id = event.envelope.subject.slice(this.kind.length + 1);
    const before = this.#states.get(id) ?? this.#fold.initial;
    this.#states.set(id, this.#fold.evolve(before, event.envelope, positionOf(event)));
    this.#last.set(id, event.envelope);
  }

  get(id: string): State {
    return this.#states.get(id) ?? this.#fold.initial;
  }

  /** The last event of one aggregate; undefined when there is none. */
  last(id: string): EventEnvelope | undefined {
    return this.#last.get(id);
  }

  entries(): IterableIterator<[string, State]> {
    return this.#states.entries();
  }

  values(): IterableIterator<State> {
    return this.#states.values();
  }
}

/** The state after `events`, from the first. */
export function foldAll<State>(fold: Fold<State>, events: Iterable<StoredEvent>): State {
  let state = fold.initial;
  for (const event of events) state = fold.evolve(state, event.envelope, positionOf(event));
  return state;
}
