/**
 * The pages of a time course: each minute of a branch once, whatever the agents stored before and after their deaths.
 */
import { type Handled, type ResultOf, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import { Aggregates, accept, type Causation, type CourseBatchName } from "@bioxen/kernel";
import { createdVm, FakeClock, idsInOrder, MemoryCourses, MemoryEventLog, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { CourseQueries } from "./course-queries.ts";

const BECAUSE: Causation = { causeId: "test", correlationId: "test", deduplicate: false };
const BYTES = 100_000;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const COLUMNS = [
  { name: "minute", unit: "min" },
  { name: "r", unit: "molecules" },
  { name: "a", unit: "molecules" },
];
type Course = ResultOf<"courseGet">;

/** The value of `r` at a minute in a run: it tells which run a row comes from. */
const valueAt = (run: number, minute: number) => run * 1_000 + minute;
const minutes = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function world(events: readonly VmEvent[] = [created({ everyMinutes: 1 })]) {
  const [log, clock, ids] = [new MemoryEventLog(), new FakeClock(), idsInOrder("e")];
  const vms = new Aggregates<VmState>({ kind: "vm", fold: vmFold, log, clock, ids, source: "/bioxen/test" });
  for (const event of events) await vms.execute("a", BECAUSE, () => accept(event));
  const courses = new MemoryCourses();
  const queries = new CourseQueries({ vms, courses, logger: silent });
  const store = async (run: number, from: number, to: number, name: Partial<CourseBatchName> = {}) => {
    const rows = minutes(from, to).map((minute) => [minute, valueAt(run, minute), null]);
    await courses.put(
      { agentId: "x", vmId: "a", incarnation: 1, branch: 0, run, firstMinute: from, ...name },
      new TextEncoder().encode(JSON.stringify({ columns: COLUMNS, rows })),
    );
  };
  const ask = (more: object = {}, maxBytes = BYTES, causation = BECAUSE): Promise<Handled<Course>> =>
    queries.get({ vmId: "a", ...more }, causation, maxBytes);
  const read = async (more: object = {}, maxBytes = BYTES): Promise<Course & { pages: number }> => {
    const rows: (number | null)[][] = [];
    for (let pages = 1, cursor: string | undefined; ; pages += 1) {
      const answer = await ask(cursor === undefined ? more : { ...more, cursor }, maxBytes);
      if (!answer.ok) throw new Error(answer.rejection.message);
      rows.push(...answer.result.rows);
      if (answer.result.cursor === null) return { ...answer.result, rows, pages };
      cursor = answer.result.cursor;
    }
  };
  return { courses, store, ask, read };
}

function created(record?: { everyMinutes: number; fields?: string[] }): VmEvent {
  const event = createdVm();
  return { ...event, data: { ...event.data, ...(record === undefined ? {} : { record }) } } as VmEvent;
}

describe("a time course", () => {
  it("joins the batches of an agent's death and of the guest that goes on", async () => {
    const { store, read } = await world();
    await store(1, 0, 49);
    await store(1, 50, 99);
    // The second guest goes on from the checkpoint of minute 60, on another agent, and died at minute 70.
    await store(2, 61, 70, { agentId: "y" });
    await store(3, 66, 80);
    const { rows, columns } = await read();
    expect(columns.map(({ name }) => name)).toEqual(["minute", "branch", "r", "a"]);
    expect(rows).toEqual([
      ...minutes(0, 60).map((minute) => [minute, 0, valueAt(1, minute), null]),
      ...minutes(61, 65).map((minute) => [minute, 0, valueAt(2, minute), null]),
      ...minutes(66, 80).map((minute) => [minute, 0, valueAt(3, minute), null]),
    ]);
  });

  it("has each branch after the one before it", async () => {
    const { store, read } = await world();
    await store(1, 0, 20);
    await store(1, 11, 15, { branch: 1 });
    const { rows } = await read();
    expect(rows.map(([minute, branch]) => [minute, branch])).toEqual([
      ...minutes(0, 20).map((minute) => [minute, 0]),
      ...minutes(11, 15).map((minute) => [minute, 1]),
    ]);
  });

  it("is the same in pages of any size", async () => {
    const { store, read } = await world();
    for (const from of [0, 40, 80]) await store(1, from, from + 39);
    await store(2, 50, 110);
    await store(1, 30, 60, { branch: 1 });
    const whole = await read();
    expect(whole).toMatchObject({ pages: 1, cursor: null });
    for (const limit of [1, 7, 40]) {
      const inPages = await read({ limit });
      expect(inPages.rows).toEqual(whole.rows);
      expect(inPages.pages).toBe(Math.ceil(whole.rows.length / limit));
    }
    const small = await read({}, 600);
    expect(small.rows).toEqual(whole.rows);
    expect(small.pages).toBeGreaterThan(5);
  });

  it("is cut to the named minutes, both inclusive, and to the named columns", async () => {
    const { store, read } = await world();
    for (const from of [0, 40, 80]) await store(1, from, from + 39);
    const { rows, columns } = await read({ fromMinute: 39, toMinute: 81, fields: ["a", "r"] });
    expect(columns.map(({ name }) => name)).toEqual(["minute", "branch", "a", "r"]);
    expect(rows).toEqual(minutes(39, 81).map((minute) => [minute, 0, null, valueAt(1, minute)]));
  });

  it("has its columns before its first row", async () => {
    const { read } = await world([created({ everyMinutes: 5, fields: ["r", "growthRatePerMinute"] })]);
    expect(await read()).toMatchObject({
      rows: [],
      columns: [
        { name: "minute", unit: "min" },
        { name: "branch", unit: "1" },
        { name: "r", unit: "molecules" },
        { name: "growthRatePerMinute", unit: "1/min" },
      ],
    });
  });
});

describe("a request for a course is refused", () => {
  const refusal = async (asked: Promise<Handled<Course>>) => {
    const answer = await asked;
    return answer.ok ? undefined : answer.rejection;
  };

  it("for a VM that is not there, records nothing, or has no such incarnation", async () => {
    const none = await world([]);
    expect(await refusal(none.ask())).toMatchObject({ code: "VM_NOT_FOUND" });
    const silentOne = await world([created()]);
    expect(await refusal(silentOne.ask())).toMatchObject({ code: "COURSE_NOT_FOUND" });
    const { ask } = await world();
    expect(await refusal(ask({ incarnation: 2 }))).toMatchObject({ code: "COURSE_NOT_FOUND" });
  });

  it("for fields that are not recorded, with every one of them and what was meant", async () => {
    const { store, ask } = await world();
    await store(1, 0, 3);
    const rejection = await refusal(ask({ fields: ["r", "rr", "growth"] }));
    expect(rejection).toMatchObject({ code: "BAD_REQUEST" });
    expect(rejection?.details).toMatchObject({ problems: [{ path: "fields.1" }, { path: "fields.2" }] });
  });

  it("for a cursor of another listing", async () => {
    const { ask } = await world();
    for (const cursor of ["a", "1:x:2", "a,5", "?"]) {
      expect(await refusal(ask({ cursor }))).toMatchObject({ code: "BAD_REQUEST" });
    }
    expect(await refusal(ask({ cursor: "2:0:5", incarnation: 1 }))).toMatchObject({ code: "BAD_REQUEST" });
  });

  it("to a tenant, for an earlier VM with the id of its own", async () => {
    const again = { ...created({ everyMinutes: 1 }) } as VmEvent & { data: { incarnation: number } };
    const { store, ask, read } = await world([
      created({ everyMinutes: 1 }),
      vmEvent("destroyed", { reason: "by command" }),
      { ...again, data: { ...again.data, incarnation: 2 } } as VmEvent,
    ]);
    await store(1, 0, 3);
    const tenant: Causation = { ...BECAUSE, principal: "alice", role: "tenant" };
    expect(await refusal(ask({ incarnation: 1 }, BYTES, tenant))).toMatchObject({ code: "COURSE_NOT_FOUND" });
    expect(await refusal(ask({ cursor: "1:0:0" }, BYTES, tenant))).toMatchObject({
      code: "COURSE_NOT_FOUND",
    });
    expect((await ask({}, BYTES, tenant)).ok).toBe(true);
    expect((await read({ incarnation: 1 })).rows).toHaveLength(4);
  });
});
