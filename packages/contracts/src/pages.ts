/**
 * Pages: how a reply that lists things stays within the server's `max_payload`.
 *
 * A listing is a sequence of parts. A page takes the parts that fit and ends where the next part does not fit, or at
 * the caller's `limit`; its `cursor` names the part that comes next. On the last page the cursor is null. A list inside
 * a listed thing, such as the entries of a ledger, can continue on the next page. That page then begins with the same
 * thing and the further items of its list. `merged` of page-shape.ts joins the pages of a listing to the complete reply.
 *
 * All pages of a listing show one state, and the cursor carries the log sequence of that state. See state-pages.ts for
 * listings of folded states and frozen-pages.ts for listings of computed results.
 */
import { isId, type Rejection } from "@bioxen/kernel";
import * as z from "zod";
import { refuse } from "./errors.ts";
import { isEach, type PageShape } from "./page-shape.ts";
import { MAX_PAGE } from "./schemas.ts";
import { jsonBytesOf, tooLarge } from "./sizes.ts";

/** Longest cursor, characters: a sequence, an id and a position. */
const MAX_CURSOR_LENGTH = 127;

/** The fields of a request for one page. */
export const pageRequest = {
  /** Maximum number of items of the page; absent: as many as fit. */
  limit: z.int().min(1).max(MAX_PAGE).optional(),
  /** The `cursor` of the previous page; absent in the request for the first page. */
  cursor: z.string().max(MAX_CURSOR_LENGTH).optional(),
};
/** The schema of a page's `cursor`, with which a caller requests the next page; null on the last page. */
export const pageResult = { cursor: z.string().nullable() };
export interface Page {
  cursor: string | null;
}

type Json = Record<string, unknown>;

/** One part of a listing: a value that is never split over two pages. */
export interface Part {
  readonly value: unknown;
  /** Adds this part to `page`. Every page begins as a result of {@link emptied}, which has no parts. */
  add(page: Json): void;
  /** The object that has this part in one of its lists. The owner, with empty lists, is added before this part. */
  readonly owner?: Part;
  /** Name of the result's field that contains this part; absent for a part with an owner. */
  readonly field?: string;
}

/** Returns a copy of `result` in which every list of the shape is empty. */
export function emptied(result: Readonly<Json>, shape: PageShape): Json {
  const out: Json = { ...result };
  for (const [field, inner] of Object.entries(shape)) {
    const value = result[field];
    if (value === undefined || value === null) continue;
    if (inner === "items" || isEach(inner)) out[field] = [];
    else if (inner === "items-by-name") out[field] = {};
    else out[field] = emptied(value as Json, inner);
  }
  return out;
}

/**
 * Yields the parts of `result`, in the field order of the shape. `result` can be an inner object of a listing. Then
 * `at` returns the copy of `result` in the given page, and `owner` is the part that contains `result`.
 */
export function* partsOf(
  result: Readonly<Json>,
  shape: PageShape,
  at: (page: Json) => Json = (page) => page,
  owner?: Part,
): Generator<Part> {
  for (const [field, inner] of Object.entries(shape)) {
    const value = result[field];
    if (value === undefined || value === null) continue;
    const list = (page: Json) => at(page)[field] as unknown[];
    const common = owner === undefined ? { field } : { owner };
    if (inner === "items") {
      for (const item of value as unknown[])
        yield { value: item, add: (page) => list(page).push(item), ...common };
    } else if (inner === "items-by-name") {
      for (const [name, items] of Object.entries(value as Record<string, unknown[]>)) {
        const lists = (page: Json) => at(page)[field] as Record<string, unknown[]>;
        const named: Part = {
          value: { [name]: [] },
          add: (page) => {
            // A VM may have the id "constructor", and every object inherits a property with this name.
            if (!Object.hasOwn(lists(page), name)) lists(page)[name] = [];
          },
          ...common,
        };
        yield named;
        for (const item of items) {
          yield { value: item, add: (page) => lists(page)[name]?.push(item), owner: named };
        }
      }
    } else if (isEach(inner)) {
      for (const element of value as Json[]) {
        const bare = emptied(element, inner.each);
        const head: Part = { value: bare, add: (page) => list(page).push(structuredClone(bare)), ...common };
        yield head;
        yield* partsOf(element, inner.each, (page) => list(page).at(-1) as Json, head);
      }
    } else {
      yield* partsOf(value as Json, inner, (page) => at(page)[field] as Json, owner);
    }
  }
}

/** Builds one page of a listing, part by part. */
export class PageBuilder {
  readonly #page: Json;
  readonly #maxBytes: number;
  readonly #limit: number;
  readonly #uncounted: string | undefined;
  #bytes: number;
  #counted = 0;
  #parts = 0;
  #owner: Part | undefined;

  /**
   * `head` is the result with empty lists. `maxBytes` is the maximum size of a reply, bytes. The items of the list
   * `uncounted` do not count towards `limit`.
   */
  constructor(head: Json, maxBytes: number, limit = Number.POSITIVE_INFINITY, uncounted?: string) {
    this.#uncounted = uncounted;
    this.#page = { ...head, cursor: null };
    this.#maxBytes = maxBytes;
    this.#limit = limit;
    this.#bytes = jsonBytesOf({ ok: true, ...head, cursor: "x".repeat(MAX_CURSOR_LENGTH) });
  }

  /**
   * Adds a part. Returns undefined when it was added, `"full"` when it belongs on the next page, and a refusal when it
   * fits on no page.
   */
  add(part: Part): undefined | "full" | { readonly ok: false; readonly rejection: Rejection } {
    if (this.#counts(part) && this.#counted >= this.#limit) return "full";
    const missing = part.owner !== undefined && part.owner !== this.#owner ? ownersOf(part, this.#owner) : [];
    const added = [...missing, part];
    const bytes = added.reduce((sum, one) => sum + jsonBytesOf(one.value) + 1, 0);
    if (this.#bytes + bytes > this.#maxBytes) {
      if (this.#parts > 0) return "full";
      return tooLarge(
        "one item of the list",
        this.#bytes + bytes,
        this.#maxBytes,
        "raise max_payload of the NATS server",
      );
    }
    for (const one of added) one.add(this.#page);
    this.#bytes += bytes;
    this.#parts += 1;
    this.#owner = part.owner ?? part;
    if (added.some((one) => this.#counts(one))) this.#counted += 1;
    return undefined;
  }

  /** Returns true when the part counts towards the limit: it has no owner, and its list is not the uncounted list. */
  #counts(part: Part): boolean {
    return part.owner === undefined && part.field !== this.#uncounted;
  }

  /** Returns the finished page. `cursor` is the cursor of the next page; null if this page is the last page. */
  end(cursor: string | null): Json {
    return { ...this.#page, cursor };
  }
}

/**
 * Returns the direct and indirect owners of a part, the outermost first. The owner `present`, which the page contains
 * already, and the owners of `present` are left out.
 */
function ownersOf({ owner }: Part, present: Part | undefined): Part[] {
  if (owner === undefined || owner === present) return [];
  return [...ownersOf(owner, present), owner];
}

/** The position of the next page: part number `index` of the thing `id`, in the state after event `seq`. */
export interface PagePosition {
  readonly seq: number;
  readonly id: string;
  readonly index: number;
}

/**
 * The position of the next page: the first thing whose id is above `after`. The page shows the state after event `seq`;
 * when `seq` is absent, the page shows the present state.
 */
export interface PositionAfter {
  readonly after: string;
  readonly seq?: number | undefined;
}

export function cursorOf({ seq, id, index }: PagePosition): string {
  return `${seq}:${id}:${index}`;
}

/**
 * Returns a cursor that begins with the id `after`. An instance of version 0.1.0 reads the whole cursor as an id, and
 * lists the ids that sort after it. The comma sorts before every character of an id, so the cursor sorts after `after`
 * and before every later id. During a rolling upgrade such an instance therefore lists the right ids.
 */
export function cursorAfter({ after, seq }: Required<PositionAfter>): string {
  return `${after},${seq}`;
}

const CURSOR = /^([1-9][0-9]{0,15}|0):([^:]+):([0-9]{1,16})$/;
const CURSOR_AFTER = /^([a-z0-9-]+),([1-9][0-9]{0,15}|0)$/;

/**
 * Returns the position that a cursor names. A cursor of an earlier version is only an id. It names the first listed
 * object after that id, in the present state. Returns a refusal for a text that is not a cursor.
 */
export function positionOfCursor(
  cursor: string,
): { readonly ok: true; readonly position: PagePosition | PositionAfter } | ReturnType<typeof refuse> {
  if (isId(cursor)) return { ok: true, position: { after: cursor } };
  const [, after, afterSeq] = CURSOR_AFTER.exec(cursor) ?? [];
  if (after !== undefined && isId(after)) return { ok: true, position: { after, seq: Number(afterSeq) } };
  const [, seq, id = "", index] = CURSOR.exec(cursor) ?? [];
  if (seq === undefined) return badCursor("is not a cursor: begin with a request without it");
  return { ok: true, position: { seq: Number(seq), id, index: Number(index) } };
}

export function badCursor(message: string): ReturnType<typeof refuse> {
  const problems = [{ path: "cursor", message }];
  return refuse("BAD_REQUEST", `cursor ${message}`, { details: { problems } });
}
