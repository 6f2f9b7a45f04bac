/**
 * Pages of every shape: cut at any size they fit, and merged they are the whole result.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import type { Handled } from "./handler.ts";
import { isEach, merged, type PageShape } from "./page-shape.ts";
import { cursorAfter, cursorOf, emptied, positionOfCursor } from "./pages.ts";
import { jsonBytesOf } from "./sizes.ts";
import { pageOfWhole } from "./state-pages.ts";

type Json = Record<string, unknown>;

/** Cuts `whole` into pages of at most `maxBytes` bytes; returns them, or the refusal of one. */
function cut(whole: Json, shape: PageShape, maxBytes: number, limit?: number): Json[] | Handled<never> {
  const pages: Json[] = [];
  for (let firstIndex = 0; ; ) {
    const page = pageOfWhole(whole, { shape, request: { limit }, maxBytes, firstIndex }, String);
    if (!page.ok) return page;
    pages.push(page.result);
    if (page.result["cursor"] === null) return pages;
    expect(Number(page.result["cursor"])).toBeGreaterThan(firstIndex);
    firstIndex = Number(page.result["cursor"]);
  }
}

function joined(pages: readonly Json[], shape: PageShape): Json {
  return pages.reduce((whole, next) => merged(whole, next, shape));
}

const word = fc.string({ maxLength: 12 });
const entry = fc.record({ vmId: word, amount: fc.nat() });
const SHAPES: readonly (readonly [string, PageShape, fc.Arbitrary<Json>])[] = [
  ["a list", { vms: "items" }, fc.record({ vms: fc.array(entry, { maxLength: 30 }), more: word })],
  [
    "two lists",
    { rules: "items", active: "items" },
    fc.record({ rules: fc.array(entry), active: fc.array(entry), activeTotal: fc.nat() }),
  ],
  [
    "a list in an object, or null",
    { ledger: { entries: "items" } },
    fc.record({
      ledger: fc.option(fc.record({ chassisId: word, entries: fc.array(entry, { maxLength: 30 }) })),
    }),
  ],
  [
    "lists in a list",
    { ledgers: { key: "chassisId", each: { entries: "items" } } },
    fc.record({
      ledgers: fc.uniqueArray(
        fc.record({ chassisId: word, free: fc.nat(), entries: fc.array(entry, { maxLength: 20 }) }),
        { selector: ({ chassisId }) => chassisId },
      ),
    }),
  ],
  [
    "lists by name beside others",
    { placements: "items", scores: "items-by-name" },
    fc.record({
      placements: fc.array(entry),
      scores: fc.dictionary(
        word.filter((key) => key !== "__proto__"),
        fc.array(entry, { maxLength: 20 }),
      ),
    }),
  ],
];

describe.each(SHAPES)("pages of %s", (_name, shape, results) => {
  it("fit, go on, and are the whole result together", () => {
    fc.assert(
      fc.property(
        results,
        fc.integer({ min: 300, max: 1_500 }),
        fc.option(fc.integer({ min: 1, max: 7 })),
        (whole, maxBytes, limit) => {
          const pages = cut(whole, shape, maxBytes, limit ?? undefined);
          if (!Array.isArray(pages)) throw new Error("an item of this test always fits");
          for (const page of pages) expect(jsonBytesOf({ ok: true, ...page })).toBeLessThanOrEqual(maxBytes);
          expect(joined(pages, shape)).toEqual({ ...whole, cursor: null });
        },
      ),
    );
  });
});

describe("a page", () => {
  const shape = { vms: "items" } as const;
  const vms = (sizes: readonly number[]) => ({
    vms: sizes.map((size, i) => ({ i, text: "x".repeat(size) })),
  });

  it("has no part of an item that fits on no page: it is refused with limit and size, after those before it", () => {
    const whole = vms([10, 10, 2_000, 10]);
    const first = pageOfWhole(whole, { shape, request: {}, maxBytes: 1_000, firstIndex: 0 }, String);
    expect(first).toMatchObject({ ok: true, result: { vms: [{ i: 0 }, { i: 1 }], cursor: "2" } });
    const second = pageOfWhole(whole, { shape, request: {}, maxBytes: 1_000, firstIndex: 2 }, String);
    expect(second).toMatchObject({
      ok: false,
      rejection: { code: "TOO_LARGE", retryable: false, details: { limit: 1_000 } },
    });
  });

  it("counts bytes of UTF-8, not characters", () => {
    const whole = { vms: Array.from({ length: 20 }, (_, i) => ({ i, text: "é".repeat(100) })) };
    const pages = cut(whole, shape, 1_000);
    if (!Array.isArray(pages)) throw new Error("every item fits");
    for (const page of pages)
      expect(Buffer.byteLength(JSON.stringify({ ok: true, ...page }))).toBeLessThanOrEqual(1_000);
  });

  it("begins with a result whose lists are empty", () => {
    expect(emptied({ a: 1, ledger: { free: 2, entries: [1] } }, { ledger: { entries: "items" } })).toEqual({
      a: 1,
      ledger: { free: 2, entries: [] },
    });
  });
});

describe("a cursor", () => {
  it("names sequence, thing and part; an id alone is what earlier versions gave", () => {
    const position = { seq: 12, id: "cell-1", index: 3 };
    expect(positionOfCursor(cursorOf(position))).toEqual({ ok: true, position });
    expect(positionOfCursor("cell-1")).toEqual({ ok: true, position: { after: "cell-1" } });
    const after = { after: "cell-1", seq: 7 };
    expect(positionOfCursor(cursorAfter(after))).toEqual({ ok: true, position: after });
  });

  it.each(["", "x:y", "-1:a:0", "1:a:b", "01:a:0", "A", "1::0"])("that reads %j is refused", (text) => {
    expect(positionOfCursor(text)).toMatchObject({
      ok: false,
      rejection: { code: "BAD_REQUEST", details: { problems: [{ path: "cursor" }] } },
    });
  });
});

/** Arrays of results that are bounded, each with the reason. The path is that of the array in the result. */
const BOUNDED: Readonly<Record<string, string>> = {
  refusals: "a deferral names at most MAX_CANDIDATES chassis, and one line for each kind of refusal",
  snapshots: "a VM has at most MAX_SNAPSHOTS",
  schedule: "a VM has at most MAX_SCHEDULE_ENTRIES, and a page of VMs ends where the next VM does not fit",
  "record.fields": "a VM records at most MAX_FIELDS",
  columns: "a course has the fields of one cell model",
  taints: "a chassis has at most MAX_TERMS",
  reserved: "a plan has at most MAX_PAGE reservations, and the request that names them fits in a message",
  overcommitted: "an agent has one pool",
  cellNeeds: "each entry is a resource, a field of the environment, a setting of the cell or the program",
  leftBehind: "a chassis names at most MAX_LEFT_OBJECTS",
  left: "an agent lists at most MAX_LEFT_BEHIND objects",
  refused: "a plan has at most MAX_PAGE reservations, and the scheduler proposes at most MAX_BATCH",
  moves: "one rebalancing has at most MAX_REBALANCE_MOVES",
  asked: "one rebalancing has at most MAX_REBALANCE_MOVES",
  "decision.candidates": "a decision records at most MAX_RECORDED_CANDIDATES",
  "decision.refused": "a decision records one line for each kind of refusal",
  "starts.buckets": "the histogram has a fixed number of buckets",
  columnSets: "an experiment has one set of columns for each of its models",
  final: "a course has the columns of its model",
  services: "a service has a few instances, each with one line",
  "unreadable.first": "the first MAX_LISTED_MESSAGES, and each problem has at most 300 characters",
  "skipped.first": "the first MAX_LISTED_MESSAGES, and a reason has at most MAX_SKIP_REASON characters",
  hosts: "a pool has at most MAX_HOSTS",
  models: "an agent announces at most MAX_MODELS",
  "models.parameters": "a model declares at most MAX_DECLARED of each",
  "models.environment": "a model declares at most MAX_DECLARED of each",
  "models.outputs": "a model declares at most MAX_DECLARED of each",
  "models.parameterSets": "a model declares at most MAX_DECLARED of each",
  "models.biologicalTypes": "a model declares at most MAX_DECLARED of each",
  "models.stateVariables": "a model declares at most MAX_DECLARED of each",
  "parameterSets.biologicalTypes": "a model declares at most MAX_DECLARED of each",
  limitedBy: "a model declares at most MAX_DECLARED of each",
  range: "the least and the largest value",
  points: "the reply ends where the next point does not fit, and nextSinceMs names it",
  reasons: "there is one reason for each code of HEALTH_CODES",
};

type Schema = { properties?: Record<string, Schema>; additionalProperties?: Schema | boolean } & Record<
  string,
  unknown
>;

/** Returns the paths of all arrays of a JSON schema. */
function arraysOf(
  schema: Schema,
  definitions: Record<string, Schema>,
  path: readonly string[] = [],
): string[] {
  const reference = schema["$ref"];
  if (typeof reference === "string") {
    return arraysOf(definitions[reference.split("/").at(-1) ?? ""] ?? {}, definitions, path);
  }
  if (schema["type"] === "array") {
    const items = typeof schema["items"] === "object" ? (schema["items"] as Schema) : {};
    return [path.join("."), ...arraysOf(items, definitions, path)];
  }
  const inner = [
    ...Object.entries(schema.properties ?? {}).map(([name, one]) =>
      arraysOf(one, definitions, [...path, name]),
    ),
    ...(typeof schema.additionalProperties === "object"
      ? [arraysOf(schema.additionalProperties, definitions, [...path, "*"])]
      : []),
    ...((schema["anyOf"] ?? []) as Schema[]).map((one) => arraysOf(one, definitions, path)),
  ];
  return [...new Set(inner.flat())];
}

/** Returns the paths of the lists of a page shape. */
function listsOf(shape: PageShape, path: readonly string[] = []): string[] {
  return Object.entries(shape).flatMap(([field, inner]) => {
    const here = [...path, field];
    if (inner === "items") return [here.join(".")];
    if (isEach(inner)) return [here.join("."), ...listsOf(inner.each, here)];
    return inner === "items-by-name" ? [`${here.join(".")}.*`] : listsOf(inner as PageShape, here);
  });
}

describe("every endpoint of the catalogue", () => {
  const endpoints = Object.entries(ENDPOINTS).map(([name, one]) => [name, one] as const);

  it.each(endpoints)(
    "%s splits its lists over pages, or they are bounded for a reason",
    (_name, endpoint) => {
      const schema = z.toJSONSchema(endpoint.result, { io: "output", unrepresentable: "any" }) as Schema;
      const definitions = (schema["$defs"] ?? {}) as Record<string, Schema>;
      const pages: PageShape = "pages" in endpoint && endpoint.pages !== undefined ? endpoint.pages : {};
      const paged = listsOf(pages);
      const isBounded = (path: string) =>
        Object.keys(BOUNDED).some((known) => path === known || path.endsWith(`.${known}`));
      const open = arraysOf(schema, definitions).filter((path) => !paged.includes(path) && !isBounded(path));
      expect(open).toEqual([]);
    },
  );

  it.each(endpoints.filter(([, one]) => "pages" in one))("%s takes and gives cursors", (_name, endpoint) => {
    const result = z.toJSONSchema(endpoint.result, { io: "output", unrepresentable: "any" }) as Schema;
    expect(result.properties?.["cursor"]).toBeDefined();
    if (!endpoint.subject.startsWith("bioxen.qry.")) return;
    const request = z.toJSONSchema(endpoint.request, { io: "input", unrepresentable: "any" }) as Schema;
    for (const one of (request["anyOf"] as Schema[] | undefined) ?? [request]) {
      expect(Object.keys(one.properties ?? {})).toEqual(expect.arrayContaining(["limit", "cursor"]));
    }
  });
});
