/**
 * The states of all aggregates of one kind in memory. Each state is kept with facts about the aggregate's last event.
 * Appending the next event of the aggregate needs these facts.
 *
 * States are immutable values, so it costs nothing to return one or to keep it for a snapshot while newer events
 * arrive. A state from a snapshot stays text until its first use: a service with 100 000 VMs uses only a few of them at
 * once.
 */
import type { Fold } from "./decider.ts";
import type { EventEnvelope, EventPosition, StoredEvent } from "./envelope.ts";
import { Fault } from "./fault.ts";

/** The fields of an event from which a decision in reaction to that event takes its cause, correlation id and trace. */
export type CauseEvent = Pick<EventEnvelope, "id" | "correlationid" | "traceparent">;

export interface Versioned<State> {
  readonly state: State;
  /** Stream sequence of the aggregate's last event; 0 without an event. */
  readonly lastSeq: number;
  readonly version: number;
  /** The aggregate's last event; undefined without an event. */
  readonly last: CauseEvent | undefined;
  /** Digest of the aggregate's last event; undefined without an event, or when the digest must be read from the log. */
  readonly lastDigest: string | undefined;
}

/**
 * The position of a snapshot line that is not parsed yet. A byte view per line would cost more than the read of the
 * whole snapshot.
 */
interface UnreadLine {
  readonly chunk: Uint8Array;
  readonly from: number;
  /** End of the line, exclusive. */
  readonly to: number;
}

/** The JSON of a snapshot line; it follows the aggregate's id. */
type Row = readonly [
  lastSeq: number,
  version: number,
  lastDigest: string | null,
  eventId: string,
  correlationId: string,
  traceparent: string | null,
  state: unknown,
];

/** One captured aggregate: its id, and either its snapshot line that is not parsed yet or its state. */
export type Captured = readonly [id: string, aggregate: Versioned<unknown> | UnreadLine];

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const SPACE = 0x20;

export class VersionedStates<State> {
  readonly #fold: Fold<State>;
  readonly #none: Versioned<State>;
  readonly #aggregates = new Map<string, Versioned<State> | UnreadLine>();
  #sortedIds: readonly string[] = [];
  #lastSeq = 0;

  constructor(fold: Fold<State>) {
    this.#fold = fold;
    this.#none = { state: fold.initial, lastSeq: 0, version: 0, last: undefined, lastDigest: undefined };
  }

  get(id: string): Versioned<State> {
    const known = this.#aggregates.get(id);
    if (known === undefined) return this.#none;
    if (!("chunk" in known)) return known;
    const parsed = parseLine<State>(textOf(known));
    this.#aggregates.set(id, parsed);
    return parsed;
  }

  ids(): IterableIterator<string> {
    return this.#aggregates.keys();
  }

  /** Returns the ids in ascending order. No aggregate ever vanishes, so a new id is the only reason to sort again. */
  sortedIds(): readonly string[] {
    if (this.#sortedIds.length !== this.#aggregates.size)
      this.#sortedIds = [...this.#aggregates.keys()].sort();
    return this.#sortedIds;
  }

  /** Sequence of the newest event that was applied here; 0 before the first one. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  *entries(): IterableIterator<[string, Versioned<State>]> {
    for (const id of this.#aggregates.keys()) yield [id, this.get(id)];
  }

  /**
   * Folds one event and returns the new state; undefined when the event was folded before. `keepDigest` is true when
   * this process may write the aggregate's next event, which contains the digest. Throws `Fault` CORRUPT_EVENT on a gap
   * in versions.
   */
  apply(
    id: string,
    event: StoredEvent,
    at: EventPosition,
    keepDigest: boolean,
  ): Versioned<State> | undefined {
    const before = this.get(id);
    if (event.seq <= before.lastSeq) return undefined;
    const { envelope } = event;
    if (envelope.aggregateversion !== before.version + 1) {
      throw new Fault(
        "CORRUPT_EVENT",
        `event ${event.seq} of ${envelope.subject} has version ${envelope.aggregateversion}, expected ${before.version + 1}`,
        { retryable: false, details: { seq: event.seq } },
      );
    }
    const next: Versioned<State> = {
      state: this.#fold.evolve(before.state, envelope, at),
      lastSeq: event.seq,
      version: envelope.aggregateversion,
      last: causeOf(envelope),
      lastDigest: keepDigest ? event.digest : undefined,
    };
    this.#aggregates.set(id, next);
    this.#lastSeq = Math.max(this.#lastSeq, event.seq);
    return next;
  }

  /** Returns all aggregates as they are now; later events do not change the result. */
  capture(): readonly Captured[] {
    return [...this.#aggregates];
  }

  /** Restores one line of a snapshot. It keeps a reference into `chunk`, whose bytes must not change afterwards. */
  restore(chunk: Uint8Array, from: number, to: number): void {
    const id = decoder.decode(chunk.subarray(from, chunk.indexOf(SPACE, from)));
    this.#aggregates.set(id, { chunk, from, to });
  }

  clear(): void {
    this.#aggregates.clear();
    this.#sortedIds = [];
  }
}

function causeOf({ id, correlationid, traceparent }: EventEnvelope): CauseEvent {
  return traceparent === undefined ? { id, correlationid } : { id, correlationid, traceparent };
}

/** Returns the snapshot line of one aggregate without its end-of-line: the aggregate's id, a space, and JSON. */
export function lineOf([id, aggregate]: Captured): Uint8Array {
  if ("chunk" in aggregate) return aggregate.chunk.subarray(aggregate.from, aggregate.to);
  const { last } = aggregate;
  const row: Row = [
    aggregate.lastSeq,
    aggregate.version,
    aggregate.lastDigest ?? null,
    last?.id ?? "",
    last?.correlationid ?? "",
    last?.traceparent ?? null,
    aggregate.state,
  ];
  return encoder.encode(`${id} ${JSON.stringify(row)}`);
}

function textOf({ chunk, from, to }: UnreadLine): string {
  return decoder.decode(chunk.subarray(chunk.indexOf(SPACE, from) + 1, to));
}

function parseLine<State>(json: string): Versioned<State> {
  const row = JSON.parse(json) as Row;
  const [lastSeq, version, lastDigest, id, correlationid, traceparent, state] = row;
  const last = traceparent === null ? { id, correlationid } : { id, correlationid, traceparent };
  return { state: state as State, lastSeq, version, last, lastDigest: lastDigest ?? undefined };
}
