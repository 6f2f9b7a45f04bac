/**
 * A service's view of aggregates it does not own: the same fold as the owner's, with nothing to append.
 */
import type { Fold } from "./decider.ts";
import { positionOf, type StoredEvent, splitSubject } from "./envelope.ts";
import { type CauseEvent, HeldStates } from "./held.ts";
import type { EventLog } from "./ports.ts";
import type { EventSink, SnapshotPart } from "./sink.ts";

export class ReadModel<State> implements EventSink {
  readonly kind: string;
  readonly snapshot: SnapshotPart;
  readonly #held: HeldStates<State>;

  constructor(kind: string, fold: Fold<State>) {
    this.kind = kind;
    const held = new HeldStates(fold);
    this.#held = held;
    this.snapshot = {
      schema: fold.schema,
      capture: () => held.capture(),
      restore: (chunk, from, to) => held.restore(chunk, from, to),
      restored: () => undefined,
      discard: () => held.clear(),
    };
  }

  apply(event: StoredEvent): void {
    const { id } = splitSubject(event.envelope.subject);
    this.#held.apply(id, event, positionOf(event), false);
  }

  get(id: string): State {
    return this.#held.get(id).state;
  }

  /** The last event of one aggregate; undefined when there is none. */
  last(id: string): CauseEvent | undefined {
    return this.#held.get(id).last;
  }

  /** Where in the log that event is; 0: there is none. */
  lastSeq(id: string): number {
    return this.#held.get(id).lastSeq;
  }

  ids(): IterableIterator<string> {
    return this.#held.ids();
  }

  *entries(): IterableIterator<[string, State]> {
    for (const [id, { state }] of this.#held.entries()) yield [id, state];
  }

  *values(): IterableIterator<State> {
    for (const [, { state }] of this.#held.entries()) yield state;
  }
}

/** The state after `events`, from the first. */
export function foldAll<State>(fold: Fold<State>, events: Iterable<StoredEvent>): State {
  let state = fold.initial;
  for (const event of events) state = fold.evolve(state, event.envelope, positionOf(event));
  return state;
}

/** One aggregate as it was after the event with sequence `atSeq`, which the log must have. */
export async function foldAt<State>(
  log: EventLog,
  streamSubject: string,
  fold: Fold<State>,
  atSeq: number,
): Promise<State> {
  return foldAll(fold, await log.read(streamSubject, 0, atSeq));
}
