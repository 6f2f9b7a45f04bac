/**
 * The states of all aggregates of one kind, in memory, each with what its next event must know about its last.
 *
 * States are values: never mutated, so that handing one out, or keeping it for a snapshot while newer events come, is free.
 * Those restored from a snapshot stay text until somebody asks for them: a service that comes up with 100 000 VMs needs a
 * few of them at once, and all of them never.
 */
import type { Fold } from "./decider.ts";
import type { EventEnvelope, EventPosition, StoredEvent } from "./envelope.ts";
import { Fault } from "./fault.ts";

/** What a cause hands on to its effects. */
export type CauseEvent = Pick<EventEnvelope, "id" | "correlationid" | "traceparent">;

export interface Held<State> {
  readonly state: State;
  /** Stream sequence of its last event, 0 when there is none. */
  readonly lastSeq: number;
  readonly version: number;
  /** Its last event; undefined when there is none. */
  readonly last: CauseEvent | undefined;
  /** That one's digest, where it is known without reading it again. */
  readonly lastDigest: string | undefined;
}

/** A line of a snapshot that nobody has asked for yet: where it stands. A view of each line would cost more than reading it. */
interface Dormant {
  readonly chunk: Uint8Array;
  readonly from: number;
  /** Of its end, which is not part of it. */
  readonly to: number;
}

/** Everything in a line beside the aggregate's id. */
type Row = readonly [
  lastSeq: number,
  version: number,
  lastDigest: string | null,
  eventId: string,
  correlationId: string,
  traceparent: string | null,
  state: unknown,
];

/** One aggregate as it was when it was captured: its line, or what the line is made of. */
export type Captured = readonly [id: string, held: Held<unknown> | Dormant];

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const SPACE = 0x20;

export class HeldStates<State> {
  readonly #fold: Fold<State>;
  readonly #none: Held<State>;
  readonly #held = new Map<string, Held<State> | Dormant>();

  constructor(fold: Fold<State>) {
    this.#fold = fold;
    this.#none = { state: fold.initial, lastSeq: 0, version: 0, last: undefined, lastDigest: undefined };
  }

  get(id: string): Held<State> {
    const held = this.#held.get(id);
    if (held === undefined) return this.#none;
    if (!("chunk" in held)) return held;
    const awake = heldOf<State>(textOf(held));
    this.#held.set(id, awake);
    return awake;
  }

  ids(): IterableIterator<string> {
    return this.#held.keys();
  }

  *entries(): IterableIterator<[string, Held<State>]> {
    for (const id of this.#held.keys()) yield [id, this.get(id)];
  }

  /**
   * Folds one event in, `at` where it stands; undefined when it was in already. `keepDigest`: the aggregate's next
   * event may be written here. Throws `Fault` CORRUPT_EVENT on a gap in versions.
   */
  apply(id: string, event: StoredEvent, at: EventPosition, keepDigest: boolean): Held<State> | undefined {
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
    const held: Held<State> = {
      state: this.#fold.evolve(before.state, envelope, at),
      lastSeq: event.seq,
      version: envelope.aggregateversion,
      last: causeOf(envelope),
      lastDigest: keepDigest ? event.digest : undefined,
    };
    this.#held.set(id, held);
    return held;
  }

  /** All of them as they are now; stays so whatever happens next. */
  capture(): readonly Captured[] {
    return [...this.#held];
  }

  /** Takes over one line of a snapshot: its place in the chunk, whose bytes must not change afterwards. */
  restore(chunk: Uint8Array, from: number, to: number): void {
    const id = decoder.decode(chunk.subarray(from, chunk.indexOf(SPACE, from)));
    this.#held.set(id, { chunk, from, to });
  }

  clear(): void {
    this.#held.clear();
  }
}

function causeOf({ id, correlationid, traceparent }: EventEnvelope): CauseEvent {
  return traceparent === undefined ? { id, correlationid } : { id, correlationid, traceparent };
}

/** The line of one aggregate, without its end: its id, a space, and JSON. */
export function lineOf([id, held]: Captured): Uint8Array {
  if ("chunk" in held) return held.chunk.subarray(held.from, held.to);
  const { last } = held;
  const row: Row = [
    held.lastSeq,
    held.version,
    held.lastDigest ?? null,
    last?.id ?? "",
    last?.correlationid ?? "",
    last?.traceparent ?? null,
    held.state,
  ];
  return encoder.encode(`${id} ${JSON.stringify(row)}`);
}

function textOf({ chunk, from, to }: Dormant): string {
  return decoder.decode(chunk.subarray(chunk.indexOf(SPACE, from) + 1, to));
}

function heldOf<State>(json: string): Held<State> {
  const row = JSON.parse(json) as Row;
  const [lastSeq, version, lastDigest, id, correlationid, traceparent, state] = row;
  const last = traceparent === null ? { id, correlationid } : { id, correlationid, traceparent };
  return { state: state as State, lastSeq, version, last, lastDigest: lastDigest ?? undefined };
}
