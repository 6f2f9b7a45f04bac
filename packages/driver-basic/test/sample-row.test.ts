import { expect, it } from "vitest";
import { createBasicDriver } from "../src/index.ts";
import { ROW_LENGTH, sampleOf, sampleRow } from "../src/sample-row.ts";
import { cellSpec } from "./fleet.ts";

it("a sample of a cell comes back as it was", async () => {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: 60, now: () => 0 });
  await driver.start(cellSpec("cell-a", 1));
  await driver.start(cellSpec("cell-b", 2, { environment: { nutrientQuality: 0.2 } }));
  driver.tick(3_000);
  const samples = driver.list().map(({ vmId }) => driver.sample(vmId));
  await driver.close();
  expect(samples).toHaveLength(2);
  const rows = new Float64Array(2 * ROW_LENGTH);
  for (const [index, sample] of samples.entries()) {
    if (sample === undefined) throw new Error("no sample");
    const row = sampleRow(sample);
    expect(row).toHaveLength(ROW_LENGTH);
    expect(sampleOf(row)).toEqual(sample);
    rows.set(row, index * ROW_LENGTH);
  }
  expect([sampleOf(rows), sampleOf(rows, ROW_LENGTH)]).toEqual(samples);
});

it("absent values and a cell without growth come back as they were", () => {
  const bare = { simMinutes: 4, health: 0, lagMs: 100 };
  expect(sampleOf(sampleRow(bare))).toEqual(bare);
  const still = { ...bare, growthRatePerMinute: 0, doublingTimeMinutes: null, divisions: 0 };
  expect(sampleOf(sampleRow(still))).toEqual(still);
});
