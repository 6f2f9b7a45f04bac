/**
 * A cell that is computed again from its events agrees with what was recorded, and one changed byte in them is found.
 */
import { hash } from "node:crypto";
import type { VmEvent } from "@bioxen/contracts";
import { createBasicDriver } from "@bioxen/driver-basic";
import { createdVm, envelopeOf, vmEvent } from "@bioxen/testkit";
import type { GuestEvent, RecordedColumn } from "@bioxen/vm-driver";
import { beforeAll, expect, it } from "vitest";
import type { RecordedCourse } from "./compared.ts";
import { type HistoryEvent, recordedCells } from "./recorded-cells.ts";
import { rerun } from "./rerun.ts";

const AMOUNTS = { ribosomes: 503, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 };
const FENCE = 3;
const PROGRAM = "function on_minute(c) state.n = (state.n or 0) + 1 end";
const CHANGES = [
  { simMinute: 20, environment: { nutrientQuality: 0.25 } },
  { simMinute: 35, allocation: { ...AMOUNTS, ribosomes: 300 } },
];
/** The minutes of checkpoints: one is the minute of a change, which acts after it. */
const STATES = [10, 20, 40];
const LAST = 50;

let history: HistoryEvent[];
let course: RecordedCourse;

/** Lets a cell live as an agent does, and makes the events and the course that are recorded of it. */
beforeAll(async () => {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: 1, now: () => 0 });
  const rows: (number | null)[][] = [];
  let columns: readonly RecordedColumn[] = [];
  driver.onGuestEvent((event: GuestEvent) => {
    if (event.kind !== "recorded") return;
    columns = event.columns;
    for (const [minute = 0, ...values] of event.rows) rows.push([minute, 0, ...values]);
  });
  const created = createdVm({
    ...{ request: AMOUNTS, seed: 7, program: PROGRAM, record: { everyMinutes: 5 } },
    timeScale: "max",
  });
  const events: VmEvent[] = [
    created,
    vmEvent("start-requested", { automatic: false }),
    vmEvent("placed", { chassisId: "c", fence: FENCE, allocation: AMOUNTS }),
    vmEvent("started", { fence: FENCE }),
  ];
  await driver.start({
    ...{ vmId: "a", incarnation: 1, fence: FENCE, biologicalType: created.data.biologicalType, seed: 7 },
    ...{ allocation: AMOUNTS, environment: {}, program: PROGRAM, config: {} },
    record: { key: "k", everyMinutes: 5 },
  });
  for (let minute = 1; minute <= LAST; minute += 1) {
    driver.tick(1_000);
    const { bytes, simMinutes } = await driver.snapshot("a", FENCE);
    expect(simMinutes).toBe(minute);
    if (STATES.includes(minute)) {
      const sha256 = hash("sha256", bytes, "hex");
      const record = { checkpointId: `s${minute}`, simMinutes, bytes: bytes.length, sha256 };
      events.push(vmEvent("checkpointed", { fence: FENCE, ...record }));
    }
    const change = CHANGES.find(({ simMinute }) => simMinute === minute);
    if (change === undefined) continue;
    const { environment, allocation } = change;
    if (environment !== undefined) {
      events.push(vmEvent("environment-changed", { fence: FENCE, simMinute: minute, environment }));
    } else if (allocation !== undefined) {
      events.push(
        vmEvent("resized", { request: AMOUNTS, allocation: AMOUNTS, simMinute: minute, given: allocation }),
      );
    }
    await driver.change?.("a", FENCE, { seq: events.length, ...change });
  }
  await driver.close();
  history = events.map((body, i) => ({
    seq: i + 1,
    ...envelopeOf("vm", "a", body, { version: i + 1 }),
    // As stored events have it; a history has no bytes to check it with.
    ...(i === 0 ? {} : { previoushash: "a".repeat(64) }),
  }));
  course = {
    columns: [{ name: "minute", unit: "min" }, { name: "branch", unit: "1" }, ...columns.slice(1)],
    rows,
  };
});

const compared = (events: HistoryEvent[], recorded = course, until?: number) =>
  rerun("a", recordedCells("a", events), recorded, { until });
/** A copy of the events in which one text is another one of the same length. */
const changed = (from: string, to: string): HistoryEvent[] => {
  const text = JSON.stringify(history);
  expect([text.split(from).length, to.length]).toEqual([2, from.length]);
  return JSON.parse(text.replace(from, to)) as HistoryEvent[];
};

it("agrees in a thread of cells too, which computes them beside models of other packages", async () => {
  const url = import.meta.resolve("../../../../examples/chemostat/src/index.js");
  const models = [{ name: "chemostat", url }];
  const { rows, states, difference } = await rerun("a", recordedCells("a", history), course, { models });
  expect({ rows, states, difference }).toEqual({
    rows: LAST / 5 + 1,
    states: STATES.length,
    difference: undefined,
  });
});

it("agrees with its rows and stored states", async () => {
  const { rows, states, difference } = await compared(history);
  expect({ rows, states, difference }).toEqual({
    rows: LAST / 5 + 1,
    states: STATES.length,
    difference: undefined,
  });
  const early = await compared(history, course, 22);
  expect([early.rows, early.states, early.difference]).toEqual([5, 2, undefined]);
});

it.each([
  ["the medium", '"nutrientQuality":0.25', '"nutrientQuality":0.26', 25],
  ["the minute of a change", '"simMinute":35', '"simMinute":34', 35],
  ["the seed", '"seed":7', '"seed":8', 10],
])("finds one changed byte: %s", async (_, from, to, minute) => {
  expect((await compared(changed(from, to))).difference).toMatchObject({ minute, branch: 0 });
});

it("finds a changed digest and a changed row, with both values", async () => {
  const [stored] = history.filter(({ type }) => type.includes("checkpointed"));
  const { sha256 } = (stored?.data ?? {}) as { sha256: string };
  const wrong = `${sha256.slice(1)}${sha256[0] === "0" ? 1 : 0}`;
  const digest = (await compared(changed(sha256, wrong))).difference;
  expect(digest).toEqual({ minute: 10, branch: 0, column: "checkpoint", recorded: wrong, computed: sha256 });
  const rows = course.rows.map((row, i) => (i === 3 ? row.with(4, -1) : row));
  const value = (await compared(history, { ...course, rows })).difference;
  const column = course.columns[4]?.name;
  expect(value).toEqual({ minute: 15, branch: 0, column, recorded: -1, computed: course.rows[3]?.[4] });
});

it("compares the rows alone of a VM at the rate of its agent, whose stored states depend on its host", async () => {
  const text = JSON.stringify(history);
  const atRate = JSON.parse(text.replace(/,?"timeScale":"max"/, "")) as HistoryEvent[];
  expect(JSON.stringify(atRate)).not.toBe(text);
  const others = atRate.map((event) =>
    event.type.includes("checkpointed")
      ? { ...event, data: { ...(event.data as object), sha256: "0".repeat(64) } }
      : event,
  );
  const { rows, states, difference } = await compared(others);
  expect({ rows, states, difference }).toEqual({ rows: LAST / 5 + 1, states: 0, difference: undefined });
});

it("refuses a VM that borrowed capacity", () => {
  const burst = history.map((event, i) =>
    i === 0 ? { ...event, data: { ...(event.data as object), burst: AMOUNTS } } : event,
  );
  expect(() => recordedCells("a", burst)).toThrow(/borrowed/);
});
