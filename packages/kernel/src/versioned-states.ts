/**
 * The states of all aggregates of one kind in memory. Each state is kept with facts about the aggregate's last event.
 * Appending the next event of the aggregate needs these facts.
 *
 * States are immutable values, so it costs nothing to return one or to keep it for a snapshot while newer events
 * arrive. A state from a snapshot stays text until its first use: a service with 100 000 VMs uses only a few of them at
 * once.
 */
import type { Fold } from "./decider.ts";
import {
  type CauseEvent,
  decidersOf,
  type EventEnvelope,
  type EventMark,
  type EventPosition,
  type StoredEvent,
  traceOf,
} from "./envelope.ts";
import { messageOf } from "./fault.ts";
import type { SetAside, UnreadableMessage } from "./unreadable.ts";

export interface Versioned<State> {
  readonly state: State;
  /** Stream sequence of the aggregate's last event; 0 without an event. */
  readonly lastSeq: number;
  readonly version: number;
  /** The aggregate's last event; undefined without an event. */
  readonly last: CauseEvent | undefined;
  /** Digest of the aggregate's last event; undefined without an event, or when an old snapshot does not have it. */
  readonly lastDigest: string | undefined;
  /** True when the last event carries the digest of its predecessor; events from older releases carry no digest. */
  readonly chained: boolean;
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
  chained: 0 | 1,
  tracestate: string | null,
  principal: string | null,
  onBehalfOf: string | null,
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
  #newest: EventMark | undefined;
  /** The aggregates that are not folded further, by id. */
  readonly #asides = new Map<string, SetAside>();

  constructor(fold: Fold<State>) {
    this.#fold = fold;
    this.#none = {
      state: fold.initial,
      lastSeq: 0,
      version: 0,
      last: undefined,
      lastDigest: undefined,
      chained: false,
    };
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

  /** The newest event that was applied here; undefined before the first one. */
  get newest(): EventMark | undefined {
    return this.#newest;
  }

  *entries(): IterableIterator<[string, Versioned<State>]> {
    for (const id of this.#aggregates.keys()) yield [id, this.get(id)];
  }

  /**
   * Folds one event and returns the new state; undefined when the event was folded before, or when the aggregate is set
   * aside. An event that does not continue the aggregate's versions and digests sets the aggregate aside.
   */
  apply(id: string, event: StoredEvent, at: EventPosition): Versioned<State> | undefined {
    const before = this.get(id);
    if (event.seq <= before.lastSeq) return undefined;
    const aside = this.#asides.get(id);
    if (aside !== undefined) {
      this.#asides.set(id, { ...aside, lastSeq: Math.max(aside.lastSeq, event.seq) });
      return undefined;
    }
    const misfit = misfitOf(event, before);
    if (misfit !== undefined) {
      this.#putAside(id, event, misfit);
      return undefined;
    }
    const { envelope, digest } = event;
    let state: State;
    try {
      state = this.#fold.evolve(before.state, envelope, at);
    } catch (thrown) {
      this.#putAside(
        id,
        event,
        `the aggregate's state does not allow ${envelope.type}: ${messageOf(thrown)}`,
      );
      return undefined;
    }
    const next: Versioned<State> = {
      state,
      lastSeq: event.seq,
      version: envelope.aggregateversion,
      last: causeOf(envelope),
      lastDigest: digest,
      chained: envelope.previoushash !== undefined,
    };
    this.#aggregates.set(id, next);
    if (event.seq > (this.#newest?.seq ?? 0)) {
      this.#newest = { seq: event.seq, streamSubject: event.streamSubject, digest };
    }
    return next;
  }

  /**
   * Stops the folding of an aggregate before `message`. If an earlier message has already stopped it, that message
   * remains the recorded cause.
   */
  setAside(id: string, message: UnreadableMessage): void {
    if (message.seq <= this.get(id).lastSeq) return;
    const aside = this.#asides.get(id) ?? { first: message, lastSeq: message.seq };
    this.#asides.set(id, { ...aside, lastSeq: Math.max(aside.lastSeq, message.seq) });
  }

  asideOf(id: string): SetAside | undefined {
    return this.#asides.get(id);
  }

  asides(): Iterable<SetAside> {
    return this.#asides.values();
  }

  resume(id: string): void {
    this.#asides.delete(id);
  }

  #putAside(id: string, { seq, streamSubject, digest }: StoredEvent, why: string): void {
    this.setAside(id, { seq, streamSubject, digest, why, isNewer: false });
  }

  /** Returns all aggregates as they are now; later events do not change the result. */
  capture(): readonly Captured[] {
    return [...this.#aggregates];
  }

  /** Restores one line of a snapshot. The line is parsed later, so the bytes of `chunk` must not change afterwards. */
  restore(chunk: Uint8Array, from: number, to: number): void {
    const id = decoder.decode(chunk.subarray(from, chunk.indexOf(SPACE, from)));
    this.#aggregates.set(id, { chunk, from, to });
  }

  clear(): void {
    this.#aggregates.clear();
    this.#sortedIds = [];
    this.#asides.clear();
  }
}

/** Returns why an event cannot be the next one of its aggregate; undefined when it can. */
function misfitOf({ envelope }: StoredEvent, before: Versioned<unknown>): string | undefined {
  const { aggregateversion, previoushash } = envelope;
  if (aggregateversion !== before.version + 1) {
    return `it has version ${aggregateversion} of ${envelope.subject}, expected ${before.version + 1}`;
  }
  if (previoushash === undefined) {
    return before.chained ? "it lacks the digest of the event before it" : undefined;
  }
  if (before.version > 0 && (before.lastDigest === undefined || previoushash === before.lastDigest)) {
    return undefined;
  }
  return "it does not carry the digest of the event before it";
}

function causeOf(envelope: EventEnvelope): CauseEvent {
  const { id, correlationid } = envelope;
  return { id, correlationid, ...decidersOf(envelope), ...traceOf(envelope) };
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
    aggregate.chained ? 1 : 0,
    last?.tracestate ?? null,
    last?.principal ?? null,
    last?.onbehalfof ?? null,
  ];
  return encoder.encode(`${id} ${JSON.stringify(row)}`);
}

function textOf({ chunk, from, to }: UnreadLine): string {
  return decoder.decode(chunk.subarray(chunk.indexOf(SPACE, from) + 1, to));
}

function parseLine<State>(json: string): Versioned<State> {
  const row = JSON.parse(json) as Row;
  const [lastSeq, version, lastDigest, id, correlationid, traceparent, state, chained, ...rest] = row;
  const [tracestate, principal, onbehalfof] = rest.map((field) => field ?? undefined);
  const last = {
    id,
    correlationid,
    ...decidersOf({ principal, onbehalfof }),
    ...traceOf({ traceparent: traceparent ?? undefined, tracestate }),
  };
  return {
    state: state as State,
    lastSeq,
    version,
    last,
    lastDigest: lastDigest ?? undefined,
    chained: chained === 1,
  };
}
