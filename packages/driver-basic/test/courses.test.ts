/**
 * The time course that a guest records, compared with an independent run of the cell model. These tests start no worker.
 */
import { type Cell, type CellEnvironment, type CellSnapshot, WEISSE } from "@bioxen/cell-models";
import { driverErrorCode, type GuestChange, type GuestSpec, type RecordedRows } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

const MINUTES = 300;
const EVERY = 10;
const LESS = { ribosomes: 252, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 };
const CHANGES: readonly GuestChange[] = [
  { seq: 1, simMinute: 50, environment: { nutrientQuality: 0.1 } },
  { seq: 2, simMinute: 115, allocation: LESS },
  { seq: 3, simMinute: 200, environment: { chloramphenicolMicromolar: 2, nutrientQuality: 0.4 } },
];
const RECORD = { key: "k", everyMinutes: EVERY };

/** Runs a guest for this many minutes, and returns what it recorded as objects by column. */
async function recordedBy(scale: number, more: Partial<GuestSpec>, minutes = MINUTES) {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: scale, now: () => 0 });
  const batches: RecordedRows[] = [];
  driver.onGuestEvent((event) => {
    if (event.kind === "recorded") batches.push(event);
  });
  await driver.start(cellSpec("cell-a", 1, { record: RECORD, ...more }));
  const begin = driver.sample("cell-a")?.simMinutes ?? 0;
  for (let minute = begin; minute < minutes; minute += 1) driver.tick(1_000 / scale + 1e-6);
  driver.tick(0.001);
  expect(driver.sample("cell-a")?.simMinutes).toBe(minutes);
  const { bytes } = await driver.snapshot("cell-a", 1);
  await driver.close();
  const rows = batches.flatMap(({ rows: some }) => some);
  return { rows, columns: batches[0]?.columns ?? [], checkpoint: bytes };
}

/** Computes the same course with the model alone: one call for all minutes between two changes. */
function computed(): Record<string, number | null>[] {
  const { biologicalType, seed, allocation } = cellSpec("cell-a", 1);
  const cell = WEISSE.boot({ biologicalType: biologicalType as "syn3a", seed, allocation }) as Cell;
  const rows = [expectedRow(cell)];
  const stops = [...Array.from({ length: MINUTES / EVERY }, (_, i) => (i + 1) * EVERY), 115].sort(
    (a, b) => a - b,
  );
  for (const stop of stops) {
    cell.advance(stop - cell.simMinutes);
    if (stop % EVERY === 0) rows.push(expectedRow(cell));
    for (const { simMinute, environment, allocation: amounts } of CHANGES) {
      if (simMinute !== stop) continue;
      if (environment !== undefined) {
        cell.setEnvironment({ ...cell.environment, ...(environment as CellEnvironment) });
      }
      if (amounts !== undefined) cell.setAllocation(amounts);
    }
  }
  return rows;
}

function expectedRow(cell: Cell): Record<string, number | null> {
  const sample = cell.sample();
  const { state, allocation, environment } = cell.snapshot() as CellSnapshot;
  const names = "generations zr zt zm zq et em si q mr mt mm mq r cr ct cm cq a".split(" ");
  return {
    minute: cell.simMinutes,
    ...Object.fromEntries(names.map((name, i) => [name, state[i] ?? null])),
    growthRatePerMinute: sample.growthRatePerMinute,
    doublingTimeMinutes: sample.doublingTimeMinutes,
    ribosomalMassFraction: sample.ribosomalMassFraction,
    ...Object.fromEntries(Object.entries(allocation).map(([name, n]) => [`allocation.${name}`, n])),
    ...Object.fromEntries(Object.entries(environment).map(([name, n]) => [`environment.${name}`, n])),
  };
}

it("has every field of the cell at exact minutes, as the model alone computes them", async () => {
  const { rows, columns } = await recordedBy(60, { changes: CHANGES });
  const names = columns.map(({ name }) => name);
  const recorded = rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? null])));
  expect(recorded).toEqual(computed());
  expect(recorded).toHaveLength(MINUTES / EVERY + 1);
  // The row of a change has what acted in the minute that ends; the next one has the change.
  expect(recorded[5]?.["environment.nutrientQuality"]).toBe(recorded[0]?.["environment.nutrientQuality"]);
  expect(recorded[6]).toMatchObject({ minute: 60, "environment.nutrientQuality": 0.1 });
});

it("is the same at every time scale, and goes on without a gap or a double row from a checkpoint", async () => {
  const whole = await recordedBy(1, { changes: CHANGES });
  const fast = await recordedBy(1_000, { changes: CHANGES });
  expect(fast.rows).toEqual(whole.rows);
  for (const minute of [50, 57]) {
    const first = await recordedBy(37, { changes: CHANGES }, minute);
    const rest = await recordedBy(5, { changes: CHANGES, checkpoint: first.checkpoint });
    expect([...first.rows, ...rest.rows]).toEqual(whole.rows);
  }
});

it("has only the named fields, in their order", async () => {
  const fields = ["environment.substrate", "r"];
  const { rows, columns } = await recordedBy(60, { record: { ...RECORD, fields } }, 20);
  const all = await recordedBy(60, {}, 20);
  expect(columns).toEqual([
    { name: "minute", unit: "min" },
    { name: "environment.substrate", unit: "molecules" },
    { name: "r", unit: "molecules" },
  ]);
  const at = (name: string) => all.columns.findIndex((column) => column.name === name);
  const wanted = all.rows.map((row) => [row[0], row[at("environment.substrate")], row[at("r")]]);
  expect(rows).toEqual(wanted);
});

it("a field that the model does not have is refused, and each of them is named", async () => {
  const driver = createBasicDriver();
  const record = { ...RECORD, fields: ["r", "ribosome", "x"] };
  const refused = await driver.start(cellSpec("cell-a", 1, { record })).catch((error: unknown) => error);
  expect(driverErrorCode(refused)).toBe("BAD_REQUEST");
  expect(String(refused)).toContain("ribosome, x");
  expect(driver.list()).toEqual([]);
  await driver.close();
});
