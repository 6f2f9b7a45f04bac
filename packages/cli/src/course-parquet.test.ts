import * as fc from "fast-check";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { expect, it } from "vitest";
import { csvOf } from "./course-csv.ts";
import { parquetOf } from "./course-parquet.ts";

const COLUMNS = [
  { name: "minute", unit: "min" },
  { name: "branch", unit: "1" },
  { name: "r", unit: "molecules" },
  { name: "environment.chloramphenicolMicromolar", unit: "µM" },
];

/** Reads the values of the CSV, each as a number; undefined where the cell is empty. */
function valuesOf(csv: string): (number | undefined)[][] {
  const lines = csv.trimEnd().split("\n").slice(1);
  return lines.map((line) => line.split(",").map((text) => (text === "" ? undefined : Number(text))));
}

const bufferOf = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

it("has the values of the CSV bit for bit, under their names", async () => {
  // A course comes as JSON, which has neither NaN nor infinities nor a negative zero.
  const value = fc.double({ noNaN: true, noDefaultInfinity: true }).map((drawn) => drawn + 0);
  const row = fc.tuple(fc.nat(), fc.nat({ max: 9 }), fc.option(value), fc.option(value));
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 40 }), async (rows) => {
      const file = bufferOf(parquetOf({ columns: COLUMNS, rows }));
      const read = await parquetReadObjects({ file });
      const values = read.map((one) => COLUMNS.map(({ name }) => (one[name] ?? undefined) as number));
      const expected = valuesOf(csvOf({ columns: COLUMNS, rows }));
      expect(values).toHaveLength(expected.length);
      for (const [at, line] of expected.entries()) {
        for (const [column, one] of line.entries()) expect(values[at]?.[column]).toBe(one);
      }
    }),
    { numRuns: 30 },
  );
});

it("has the extreme doubles, and more rows than one group", async () => {
  const extremes = [Number.MAX_VALUE, Number.MIN_VALUE, 1 / 3, 0.1, 2 ** 53 + 2, 1e-300, 0, null];
  const rows = Array.from({ length: 3_000 }, (_, i) => [i, 0, extremes[i % 8] ?? null, 0.5 + i * 1e-9]);
  const read = await parquetReadObjects({ file: bufferOf(parquetOf({ columns: COLUMNS, rows })) });
  expect(read.map((one) => Object.values(one).map((value) => value ?? null))).toEqual(rows);
});

it("has the unit of each column, and no rows for a course without rows", async () => {
  const file = bufferOf(parquetOf({ columns: COLUMNS, rows: [] }));
  const { key_value_metadata: metadata = [], created_by } = parquetMetadata(file);
  const units = metadata.find(({ key }) => key === "units")?.value;
  expect(JSON.parse(units ?? "null")).toEqual(
    Object.fromEntries(COLUMNS.map(({ name, unit }) => [name, unit])),
  );
  expect(created_by).toMatch(/^bioxen /);
  expect(await parquetReadObjects({ file })).toEqual([]);
});

it("keeps minutes beyond 32 bits", async () => {
  const rows = [[2 ** 40, 1, 1, 1]];
  const [read] = await parquetReadObjects({ file: bufferOf(parquetOf({ columns: COLUMNS, rows })) });
  expect(read).toMatchObject({ minute: 2 ** 40, branch: 1 });
});
