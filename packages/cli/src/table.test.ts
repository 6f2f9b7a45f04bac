import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { width } from "./screen.ts";
import { type Column, table } from "./table.ts";

const LONG_ID = "experiment-growth-under-few-ribosomes-replicate-0000000000000041";
const COLUMNS: readonly Column[] = [
  { head: "VM" },
  { head: "TYPE", importance: 1 },
  { head: "STATE" },
  { head: "WHY", wraps: true, importance: 2 },
];
const ROWS = [
  [LONG_ID, "minimal_cell", "running", ""],
  ["c2", "syn3a", "pending", "ecoli-1: CAPACITY_EXCEEDED: needs 503 ribosomes, of which 12 are free"],
];
const linesOf = (columns: number | undefined) => table(COLUMNS, ROWS, columns).split("\n");

describe("a table", () => {
  it("has every column and character when there is no terminal", () => {
    const [head, first] = linesOf(undefined);
    expect(head?.split(/ +/)).toEqual(["VM", "TYPE", "STATE", "WHY"]);
    expect(first).toContain(LONG_ID);
  });

  it("cuts long ids in the middle and wraps sentences on a terminal", () => {
    expect(linesOf(80)[1]).toMatch(/^experiment-\w*…0*41 {2}minimal_cell {2}running$/);
    expect(linesOf(80).slice(2).join(" ").replaceAll(/\s+/g, " ")).toBe(
      "c2 syn3a pending ecoli-1: CAPACITY_EXCEEDED: needs 503 ribosomes, of which 12 are free",
    );
  });

  it("omits its least important column first", () => {
    const headAt = (columns: number) => linesOf(columns)[0]?.split(/ +/);
    expect(headAt(60)).toEqual(["VM", "STATE", "WHY"]);
    expect(headAt(40)).toEqual(["VM", "STATE"]);
  });

  it("never is wider than the terminal, whatever its cells", () => {
    const cell = fc.array(fc.stringMatching(/^[a-z0-9細-]{0,70}$/), { maxLength: 8 }).map((w) => w.join(" "));
    const rows = fc.array(fc.tuple(cell, cell, cell, cell), { maxLength: 5 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 20, max: 140 }), (all, columns) => {
        for (const line of table(COLUMNS, all, columns).split("\n")) {
          expect(width(line)).toBeLessThanOrEqual(columns);
        }
      }),
    );
  });
});
