/**
 * Listings of folded states: every page shows the aggregates as they were after one event of the log.
 *
 * The service keeps nothing between two pages. The cursor carries the sequence, and an aggregate that has changed since
 * is folded again from the log up to that sequence. Any instance can therefore answer any page, also after a restart,
 * and a page costs one read of the log for each changed aggregate that it looks at.
 */
import type { Aggregates, EventLog } from "@bioxen/kernel";
import { done, type Handled } from "./handler.ts";
import type { PageRequest, PageShape } from "./page-shape.ts";
import {
  badCursor,
  cursorAfter,
  cursorOf,
  emptied,
  type Page,
  PageBuilder,
  type PagePosition,
  partsOf,
  positionOfCursor,
} from "./pages.ts";

/**
 * Maximum number of aggregates that one page folds again from the log. At this number, the page ends early. Folding one
 * aggregate takes about a millisecond, and the caller waits 10 s at most.
 */
export const MAX_REFOLDS_PER_PAGE = 256;
/**
 * Maximum number of past states that an instance keeps. The pages of one long aggregate, such as a ledger, all show the
 * same past state.
 */
const MAX_KEPT = 8;

export interface StatePagesOptions<State> {
  readonly states: Pick<Aggregates<State>, "get" | "sortedIds" | "stateAt" | "newestSeq">;
  readonly log: Pick<EventLog, "lastSeq">;
  /** Sequence up to which this instance has applied every event. */
  readonly appliedSeq: () => number;
  /** Resolves once this instance has applied every event up to this sequence. */
  readonly applied: (seq: number) => Promise<unknown>;
}

/** A listing of many aggregates in order of id. */
export interface ListingOfMany<State, Result> {
  readonly shape: PageShape;
  /** The result without any aggregate. */
  readonly empty: Result;
  /** Returns a result with this aggregate only; undefined when the listing leaves it out. */
  readonly fragment: (id: string, state: State) => Result | undefined;
}

/** A listing of the items that a few aggregates contain, such as the entries of a ledger. */
export interface ListingWithin<State, Result> {
  readonly shape: PageShape;
  /** The name that identifies the listing in its cursors: an aggregate's id, or another word without a colon. */
  readonly name: string;
  readonly ids: readonly string[];
  /** Sequence of the event after which the listing shows the state; default: the newest event. */
  readonly atSeq?: number | undefined;
  /** Name of the result's list whose items do not count towards the caller's `limit`; absent: every item counts. */
  readonly uncounted?: string;
  /** Returns the whole result from the states of `ids`, in that order; or a refusal. */
  readonly result: (states: readonly State[]) => Handled<Result>;
}

type Start = { readonly ok: true; readonly position: PagePosition; readonly isFirst: boolean };
type Refused = Extract<Handled<never>, { readonly ok: false }>;

export class StatePages<State> {
  readonly #options: StatePagesOptions<State>;
  /** Past states by id and sequence, the most recently used last. */
  readonly #kept = new Map<string, State>();

  constructor(options: StatePagesOptions<State>) {
    this.#options = options;
  }

  /** Returns one page of all aggregates. `maxBytes` is the size of the largest reply, bytes. */
  async many<Result extends Page>(
    request: PageRequest,
    maxBytes: number,
    { shape, empty, fragment }: ListingOfMany<State, Result>,
  ): Promise<Handled<Result>> {
    const { states } = this.#options;
    const start = await this.start(request.cursor);
    if (!start.ok) return start;
    const { seq, id: firstId, index: firstIndex } = start.position;
    const builder = new PageBuilder(empty as never, maxBytes, request.limit);
    const ids = states.sortedIds();
    let refolds = 0;
    for (let i = firstAtOrAfter(ids, firstId); i < ids.length; i += 1) {
      const id = ids[i] as string;
      if (states.get(id).lastSeq > seq) {
        refolds += 1;
        if (refolds > MAX_REFOLDS_PER_PAGE) return done(builder.end(cursorAt(ids, i, seq)) as never);
      }
      const found = fragment(id, await this.#stateAt(id, seq));
      if (found === undefined) continue;
      let index = 0;
      for (const part of partsOf(found as never, shape)) {
        const isDelivered = id === firstId && index < firstIndex;
        const added = isDelivered ? undefined : builder.add(part);
        if (added === "full") return done(builder.end(cursorAt(ids, i, seq, index)) as never);
        if (added !== undefined) return added;
        index += 1;
      }
    }
    return done(builder.end(null) as never);
  }

  /** Returns one page of the items that a few aggregates contain. The reply has at most `maxBytes` bytes. */
  async within<Result extends object>(
    request: PageRequest,
    maxBytes: number,
    { shape, name, ids, atSeq, uncounted, result }: ListingWithin<State, Omit<Result, "cursor">>,
  ): Promise<Handled<Result & Page>> {
    const start = await this.start(request.cursor, atSeq);
    if (!start.ok) return start;
    const { seq, index: firstIndex } = start.position;
    if (!start.isFirst && start.position.id !== name) return badCursor("belongs to another listing");
    const whole = result(await Promise.all(ids.map((id) => this.#stateAt(id, seq))));
    if (!whole.ok) return whole;
    return pageOfWhole(whole.result, { shape, request, maxBytes, firstIndex, uncounted }, (index) =>
      cursorOf({ seq, id: name, index }),
    ) as Handled<Result & Page>;
  }

  /**
   * Returns the sequence of the newest event that this instance has applied. A new listing shows the state at that
   * sequence, so that a caller finds what it has just written.
   */
  async newestSeq(): Promise<number> {
    const { states, appliedSeq, applied } = this.#options;
    const seq = Math.max(appliedSeq(), states.newestSeq);
    if (seq > appliedSeq()) await applied(seq);
    return seq;
  }

  /**
   * Returns the position at which the page starts: the position in the cursor or, when there is no cursor, the start of
   * the listing. Waits until this instance has applied all events up to the cursor's sequence.
   */
  async start(cursor: string | undefined, atSeq?: number): Promise<Start | Refused> {
    const from = (id: string, isFirst: boolean, seq: number, index = 0): Start => ({
      ok: true,
      isFirst,
      position: { seq, id, index },
    });
    if (cursor === undefined) return from("", true, atSeq ?? (await this.newestSeq()));
    const read = positionOfCursor(cursor);
    if (!read.ok) return read;
    const { position } = read;
    const seq = position.seq ?? (await this.newestSeq());
    const { log, appliedSeq, applied } = this.#options;
    if (seq > appliedSeq()) {
      const lastSeq = await log.lastSeq();
      if (seq > lastSeq) return badCursor(`names event ${seq}, and the log ends at ${lastSeq}`);
      await applied(seq);
    }
    // The id with a zero character appended sorts directly after the id, before every other later id.
    if ("after" in position) return from(`${position.after}\u0000`, false, seq);
    return from(position.id, false, seq, position.index);
  }

  async #stateAt(id: string, seq: number): Promise<State> {
    const { states } = this.#options;
    if (states.get(id).lastSeq <= seq) return states.get(id).state;
    const key = `${id} ${seq}`;
    const state = this.#kept.get(key) ?? (await states.stateAt(id, seq));
    this.#kept.delete(key);
    this.#kept.set(key, state);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    return state;
  }
}

/** Returns the cursor for a page whose first item is part number `index` of the aggregate with the id `ids[i]`. */
function cursorAt(ids: readonly string[], i: number, seq: number, index = 0): string {
  const before = ids[i - 1];
  if (index === 0 && before !== undefined) return cursorAfter({ after: before, seq });
  return cursorOf({ seq, id: ids[i] as string, index });
}

/** Returns the index of the first id that is not below `id`. */
function firstAtOrAfter(ids: readonly string[], id: string): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] as string) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface WholePage {
  readonly shape: PageShape;
  readonly request: PageRequest;
  readonly maxBytes: number;
  /** Number of parts of the result that all earlier pages contain together. */
  readonly firstIndex: number;
  /** Name of the result's list whose items do not count towards the caller's `limit`; absent: every item counts. */
  readonly uncounted?: string | undefined;
}

/**
 * Returns one page of a complete result. `cursorAt` returns the cursor for the part with the given number. With a
 * `limit` of 0, the page contains only items of the list `uncounted`.
 */
export function pageOfWhole(
  whole: object,
  { shape, request, maxBytes, firstIndex, uncounted }: WholePage,
  cursorAt: (index: number) => string,
): Handled<Record<string, unknown>> {
  const builder = new PageBuilder(emptied(whole as never, shape), maxBytes, request.limit, uncounted);
  let index = 0;
  for (const part of partsOf(whole as never, shape)) {
    if (request.limit === 0 && part.field !== uncounted) break;
    const added = index < firstIndex ? undefined : builder.add(part);
    if (added === "full") return done(builder.end(cursorAt(index)));
    if (added !== undefined) return added;
    index += 1;
  }
  return done(builder.end(null));
}
