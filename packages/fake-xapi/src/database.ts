/**
 * The pool's objects and their changes.
 *
 * Each change gets the next generation number. A reader passes the generation that it knows and gets one event, with
 * the present state, for each object that changed later. Transitions in between are merged, as in XAPI.
 */
import { randomUUID } from "node:crypto";
import { Refusal } from "./refusal.ts";
import { emptyValue, type FakeRecord, SCHEMA } from "./schema.ts";

export interface FakeEvent {
  /** Generation of the database when the event was read. */
  readonly id: number;
  /** Seconds since 1970, as a decimal string. */
  readonly timestamp: string;
  /** The object's class, in lower case. */
  readonly class: string;
  readonly operation: "add" | "mod" | "del";
  readonly ref: string;
  readonly obj_uuid: string;
  /** The object's record; absent for `del`. */
  readonly snapshot?: FakeRecord;
}

/** The result of the method `event.from`. */
export interface FakeEventBatch {
  readonly events: readonly FakeEvent[];
  readonly token: string;
  /** Number of objects by class, in lower case. */
  readonly valid_ref_counts: Readonly<Record<string, number>>;
}

interface Row {
  readonly record: FakeRecord;
  readonly createdAt: number;
  modifiedAt: number;
}

interface Deletion {
  readonly className: string;
  readonly ref: string;
  readonly createdAt: number;
  readonly deletedAt: number;
}

/** Maximum number of deletions that are remembered. A reader that missed a forgotten deletion gets `EVENTS_LOST`. */
const MAX_DELETIONS = 10_000;
const TOKEN = /^(\d{20}),(\d{20})$/;

export class Database {
  readonly #tables = new Map<string, Map<string, Row>>();
  #deletions: Deletion[] = [];
  #generation = 1;
  /** Oldest generation that a reader's token may contain; a token with an older generation gets `EVENTS_LOST`. */
  #oldest = 0;
  readonly #waiters = new Set<() => void>();

  constructor() {
    for (const className of Object.keys(SCHEMA)) this.#tables.set(className, new Map());
  }

  /** Adds an object and returns its reference. Missing fields get the empty value of their type. */
  add(className: string, fields: FakeRecord): string {
    const ref = `OpaqueRef:${randomUUID()}`;
    const record: FakeRecord = {};
    for (const [field, type] of Object.entries(SCHEMA[className] ?? {})) record[field] = emptyValue(type);
    Object.assign(record, { uuid: randomUUID() }, fields);
    this.#generation += 1;
    this.#table(className).set(ref, { record, createdAt: this.#generation, modifiedAt: this.#generation });
    this.#wake();
    return ref;
  }

  /** Returns the object's record; only `update` may change it. Throws `HANDLE_INVALID` when the object is missing. */
  get(className: string, ref: string): FakeRecord {
    const row = this.#table(className).get(ref);
    if (row === undefined) throw new Refusal("HANDLE_INVALID", className, ref);
    return row.record;
  }

  find(className: string, ref: string): FakeRecord | undefined {
    return this.#table(className).get(ref)?.record;
  }

  update(className: string, ref: string, fields: FakeRecord): void {
    const row = this.#table(className).get(ref);
    if (row === undefined) throw new Refusal("HANDLE_INVALID", className, ref);
    Object.assign(row.record, fields);
    this.#generation += 1;
    row.modifiedAt = this.#generation;
    this.#wake();
  }

  remove(className: string, ref: string): void {
    const row = this.#table(className).get(ref);
    if (row === undefined) return;
    this.#table(className).delete(ref);
    this.#generation += 1;
    this.#deletions.push({ className, ref, createdAt: row.createdAt, deletedAt: this.#generation });
    if (this.#deletions.length > MAX_DELETIONS)
      this.#oldest = this.#deletions.shift()?.deletedAt ?? this.#oldest;
    this.#wake();
  }

  all(className: string): [string, FakeRecord][] {
    return [...this.#table(className)].map(([ref, { record }]) => [ref, record]);
  }

  /** Returns the present generation as a token, which is opaque to clients. */
  token(): string {
    return `${String(this.#generation).padStart(20, "0")},${"0".padStart(20, "0")}`;
  }

  /** Returns the generation in a token. Throws the errors of `event.from` for a malformed or outdated token. */
  generationOf(token: string): number {
    if (token === "") return 0;
    const match = TOKEN.exec(token);
    if (match === null) throw new Refusal("EVENT_FROM_TOKEN_PARSE_FAILURE", token);
    const generation = Number(match[1]);
    if (generation < this.#oldest) throw new Refusal("EVENTS_LOST");
    return generation;
  }

  /** Invalidates every token: the next read of each reader fails with `EVENTS_LOST`. */
  forgetHistory(): void {
    this.#generation += 1;
    this.#oldest = this.#generation;
    this.#deletions = [];
    this.#wake();
  }

  /** Returns one event for each selected object that changed after `generation`. */
  since(
    generation: number,
    isSelected: (className: string, ref: string) => boolean,
    nowMs: number,
  ): FakeEventBatch {
    const events: FakeEvent[] = [];
    const common = { id: this.#generation, timestamp: String(nowMs / 1000), obj_uuid: "" };
    for (const [className, table] of this.#tables) {
      for (const [ref, { record, createdAt, modifiedAt }] of table) {
        if (modifiedAt <= generation || !isSelected(className, ref)) continue;
        const operation = createdAt > generation ? "add" : "mod";
        events.push({ ...common, class: className.toLowerCase(), operation, ref, snapshot: { ...record } });
      }
    }
    for (const { className, ref, createdAt, deletedAt } of this.#deletions) {
      if (deletedAt <= generation || createdAt > generation || !isSelected(className, ref)) continue;
      events.push({ ...common, class: className.toLowerCase(), operation: "del", ref });
    }
    const counts = Object.fromEntries(
      [...this.#tables].map(([name, { size }]) => [name.toLowerCase(), size]),
    );
    return { events, token: this.token(), valid_ref_counts: counts };
  }

  /** Resolves at the next change, at the latest after `ms` milliseconds. */
  nextChange(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiters.add(done);
    });
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #table(className: string): Map<string, Row> {
    const table = this.#tables.get(className);
    if (table === undefined) throw new Refusal("INTERNAL_ERROR", `no class ${className}`);
    return table;
  }
}
