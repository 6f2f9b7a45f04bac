/**
 * Genes of a circuit in the `config` of a guest: the guest has the cell of the model alone. These tests start no worker.
 */
import { Cell, type GeneSpec, WEISSE } from "@bioxen/cell-models";
import { driverErrorCode, type GuestSpec, type RecordedRows } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

const gene = (name: string, gene: string, proteinAtStart: number): GeneSpec => ({
  name,
  transcriptionPerMinute: 1,
  proteinAtStart,
  regulatedBy: [{ gene, kind: "represses", threshold: 50, hill: 2 }],
});
const GENES = [gene("lacI", "tetR", 200), gene("tetR", "lacI", 0)];
const config = { partitionNoise: true, genes: GENES };
const record = { key: "k", everyMinutes: 50 };

/** Lets a guest live until this minute, and returns what it recorded, and its checkpoint. */
async function lived(minutes: number, more: Partial<GuestSpec> = {}) {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: 60, now: () => 0 });
  const batches: RecordedRows[] = [];
  driver.onGuestEvent((event) => {
    if (event.kind === "recorded") batches.push(event);
  });
  await driver.start(cellSpec("cell-a", 1, { config, record, ...more }));
  const begin = driver.sample("cell-a")?.simMinutes ?? 0;
  for (let minute = begin; minute < minutes; minute += 1) driver.tick(1_000 / 60 + 1e-6);
  driver.tick(0.001);
  const { bytes } = await driver.snapshot("cell-a", 1);
  await driver.close();
  return { rows: batches.flatMap(({ rows }) => rows), columns: batches[0]?.columns ?? [], checkpoint: bytes };
}

function computed(minutes: number): Cell {
  const { biologicalType, seed, allocation } = cellSpec("cell-a", 1);
  const cell = Cell.boot({ biologicalType: biologicalType as "syn3a", seed, allocation, ...config });
  cell.advance(minutes);
  return cell;
}

it("a guest has them, and its course has a column for each of their amounts", async () => {
  const { rows, columns } = await lived(300);
  const { stateVariables } = computed(0);
  expect(columns.slice(1, 1 + stateVariables.length)).toEqual(stateVariables);
  const at = (name: string) => columns.findIndex((column) => column.name === name);
  const outputs = computed(300).sample().outputs ?? {};
  expect(Object.keys(outputs)).toHaveLength(6);
  for (const [name, value] of Object.entries(outputs)) expect(rows.at(-1)?.[at(name)], name).toBe(value);
});

it("a checkpoint contains them, and a guest goes on from it bit for bit", async () => {
  const whole = await lived(300);
  const first = await lived(120);
  const rest = await lived(300, { checkpoint: first.checkpoint });
  expect([...first.rows, ...rest.rows]).toEqual(whole.rows);
});

it("a checkpoint of a cell with other genes is refused", async () => {
  const { checkpoint } = await lived(10);
  for (const other of [
    {},
    { genes: GENES.slice(0, 0) },
    { genes: [GENES[0], { ...GENES[1], transcriptionPerMinute: 2 }] },
  ]) {
    const spec = { checkpoint, config: { partitionNoise: true, ...other } };
    const refused = await lived(20, spec).catch((error: unknown) => error);
    expect(driverErrorCode(refused)).toBe("BAD_REQUEST");
    expect(String(refused)).toContain("other genes");
  }
});

it("invalid ones are refused with every problem, and a model without genes refuses them all", async () => {
  const wrong = { genes: [{ name: "r", transcriptionPerMinute: -1 }] };
  const refused = await lived(1, { config: wrong }).catch((error: unknown) => error);
  expect(driverErrorCode(refused)).toBe("BAD_REQUEST");
  expect(String(refused)).toMatch(/genes\.0\.name.*genes\.0\.transcriptionPerMinute/);
  const driver = createBasicDriver({ models: [{ ...WEISSE, name: "other" }] });
  const foreign = await driver
    .start(cellSpec("cell-a", 1, { config: { ...config, model: "other" } }))
    .catch((error: unknown) => error);
  expect(driverErrorCode(foreign)).toBe("BAD_REQUEST");
  expect(String(foreign)).toContain("the model other has no genes");
  await driver.close();
});
