/**
 * Listings of computed results: plans, explanations, the progress of a drain. Such a result is made from the present
 * state and from heartbeats, so it cannot be made a second time. The instance that made a result therefore keeps it,
 * so that the caller can request the later pages. The time and the total size of kept results are limited.
 *
 * A result that fits in one reply is not kept. Only the instance that made a result can return its later pages: every
 * other instance refuses the cursor with a retryable CONFLICT. Once the result is deleted, all instances refuse the
 * cursor, and the caller asks again without a cursor.
 */
import type { Clock, IdSource, Timers } from "@bioxen/kernel";
import { refuse } from "./errors.ts";
import type { Handled } from "./handler.ts";
import type { PageRequest, PageShape } from "./page-shape.ts";
import { badCursor, cursorOf, type Page, partsOf, positionOfCursor } from "./pages.ts";
import { jsonBytesOf, tooLarge } from "./sizes.ts";
import { pageOfWhole } from "./state-pages.ts";

/** Time for which a result is kept after the last request for a page of it, ms. Callers ask again within seconds. */
export const FROZEN_FOR_MS = 60_000;
/**
 * Maximum size of all kept results together, bytes of JSON. A plan for 100 VMs on 1 500 chassis has 30 MB of JSON. The
 * objects in memory take about the same size.
 */
export const MAX_FROZEN_BYTES = 67_108_864;

interface Frozen {
  readonly subject: string;
  readonly seq: number;
  readonly result: object;
  readonly bytes: number;
  usedAtMs: number;
}

export interface FrozenPagesOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: IdSource;
  /** Sequence up to which this instance has applied every event. */
  readonly appliedSeq: () => number;
}

export class FrozenPages {
  readonly #options: FrozenPagesOptions;
  /** Kept results by id, the most recently used last. */
  readonly #kept = new Map<string, Frozen>();
  #sweep: { cancel(): void } | undefined;

  constructor(options: FrozenPagesOptions) {
    this.#options = options;
  }

  /** Number of results that are kept now. */
  get size(): number {
    return this.#kept.size;
  }

  /**
   * Returns the page that the request asks for. `compute` makes the whole result for the first page. `subject` names
   * the listing; the cursor of another listing is refused.
   */
  async page<Result extends object>(
    subject: string,
    request: PageRequest,
    maxBytes: number,
    shape: PageShape,
    compute: () => Promise<Handled<Omit<Result, "cursor">>> | Handled<Omit<Result, "cursor">>,
  ): Promise<Handled<Result & Page>> {
    if (request.cursor !== undefined) {
      return this.#next(subject, request.cursor, { shape, request, maxBytes }) as Handled<Result & Page>;
    }
    const seq = this.#options.appliedSeq();
    const made = await compute();
    if (!made.ok) return made;
    const id = this.#options.ids.next();
    const first = pageOfWhole(made.result, { shape, request, maxBytes, firstIndex: 0 }, (index) =>
      cursorOf({ seq, id, index }),
    );
    if (first.ok && first.result["cursor"] !== null) {
      let bytes = 0;
      for (const { value } of partsOf(made.result as never, shape)) bytes += jsonBytesOf(value);
      if (bytes > MAX_FROZEN_BYTES) {
        return tooLarge("the result", bytes, MAX_FROZEN_BYTES, "ask for less in one request");
      }
      this.#keep(id, { subject, seq, result: made.result, bytes, usedAtMs: this.#options.clock.nowMs() });
    }
    return first as Handled<Result & Page>;
  }

  #next(
    subject: string,
    cursor: string,
    page: { readonly shape: PageShape; readonly request: PageRequest; readonly maxBytes: number },
  ): Handled<Record<string, unknown>> {
    const read = positionOfCursor(cursor);
    if (!read.ok) return read;
    if ("after" in read.position) return badCursor("is not a cursor of this listing");
    const { id, seq, index } = read.position;
    this.#forgetOld();
    const frozen = this.#kept.get(id);
    if (frozen === undefined) return gone();
    if (frozen.subject !== subject) return badCursor("belongs to another listing");
    this.#kept.delete(id);
    this.#keep(id, { ...frozen, usedAtMs: this.#options.clock.nowMs() });
    return pageOfWhole(frozen.result, { ...page, firstIndex: index }, (next) =>
      cursorOf({ seq, id, index: next }),
    );
  }

  #keep(id: string, frozen: Frozen): void {
    this.#kept.set(id, frozen);
    let bytes = [...this.#kept.values()].reduce((sum, one) => sum + one.bytes, 0);
    for (const [oldest, one] of this.#kept) {
      if (bytes <= MAX_FROZEN_BYTES) break;
      this.#kept.delete(oldest);
      bytes -= one.bytes;
    }
    this.#sweep ??= this.#options.timers.after(FROZEN_FOR_MS, () => {
      this.#sweep = undefined;
      this.#forgetOld();
      const [newest] = [...this.#kept].slice(-1);
      if (newest !== undefined) this.#keep(...newest);
    });
  }

  #forgetOld(): void {
    const oldestMs = this.#options.clock.nowMs() - FROZEN_FOR_MS;
    for (const [id, { usedAtMs }] of this.#kept) if (usedAtMs <= oldestMs) this.#kept.delete(id);
  }
}

function gone(): ReturnType<typeof refuse> {
  return refuse(
    "CONFLICT",
    "this instance does not keep the listing of this cursor (any more): ask again without a cursor",
    { retryable: true, details: { cursor: "gone" } },
  );
}
