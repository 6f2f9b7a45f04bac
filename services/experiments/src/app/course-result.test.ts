/** The result of a VM is that of its complete course, in whatever pages and branches it comes. */
import type { Caller } from "@bioxen/kernel";
import { expect, it } from "vitest";
import { courseResult } from "./course-result.ts";

const OF = { vmId: "x-1", incarnation: 1, everyMinutes: 10, rowCount: 3 };
const CAUSE = { causeId: "c", correlationId: "c", deduplicate: false };
const column = (name: string) => ({ name, unit: "1" });
const COLUMNS = ["minute", "branch", "a", "b"].map(column);
const row = (minute: number, branch = 0, a = minute / 3) => [minute, branch, a, null];
const COMPLETE = [row(0), row(10), row(20)];

function read(...pages: (number | null)[][][]) {
  const caller = {
    async call(_subject: string, { cursor }: { cursor?: string }) {
      const at = Number(cursor ?? 0);
      const next = at + 1 < pages.length ? String(at + 1) : null;
      return { ok: true as const, columns: COLUMNS, rows: pages[at], cursor: next };
    },
  } as unknown as Caller;
  return courseResult(caller, OF, CAUSE);
}

it("has the values of the last row, and the same digest in any pages", async () => {
  const whole = await read(COMPLETE);
  expect(whole).toMatchObject({
    kind: "complete",
    columns: [column("a"), column("b")],
    result: { incarnation: 1, rowCount: 3, values: [20 / 3, null] },
  });
  expect(await read(COMPLETE.slice(0, 1), [], COMPLETE.slice(1))).toEqual(whole);
});

it("counts only the last branch of a cell that began again", async () => {
  const again = [row(0), row(10), ...COMPLETE.map(([minute, , ...values]) => [minute ?? 0, 1, ...values])];
  expect(await read(again)).toEqual(await read(COMPLETE));
});

it("has another digest for any other value", async () => {
  const whole = await read(COMPLETE);
  const other = await read([row(0), row(10, 0, 3.4), row(20)]);
  expect(other.kind).toBe("complete");
  expect(other).not.toEqual(whole);
});

it.each([
  ["the first row", [row(10), row(20)]],
  ["a row in between", [row(0), row(20)]],
  ["the last row", [row(0), row(10)]],
  ["every row", []],
])("is incomplete without %s", async (_which, rows) => {
  expect((await read(rows)).kind).toBe("incomplete");
});

it("is spoilt by a restore in the middle", async () => {
  expect(await read([row(0), row(10), row(10, 1), row(20, 1)])).toEqual({
    kind: "spoilt",
    reason: "it was restored to another state at minute 10",
  });
});
