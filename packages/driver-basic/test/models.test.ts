/**
 * A cell of a model of another package: its parameters, environment and outputs are what it declares.
 */
import { DriverError } from "@bioxen/vm-driver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cellModel } from "../../../examples/chemostat/src/index.js";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

let driver: ReturnType<typeof createBasicDriver>;
beforeEach(() => {
  driver = createBasicDriver({ timeScaleMinutesPerSecond: 60, now: () => 0, models: [cellModel] });
});
afterEach(() => driver.close());

const spec = (vmId: string, config: object = {}, more: object = {}) =>
  cellSpec(vmId, 1, {
    biologicalType: "ecoli",
    allocation: { atpPerSecond: 100_000 },
    config: { model: "chemostat", ...config },
    ...more,
  });
const refused = (config: object, more: object = {}) =>
  driver.start(spec("c", config, more)).then(
    () => "it started",
    (error: unknown) => (error instanceof DriverError ? `${error.code} ${error.message}` : error),
  );

describe("a chemostat in the basic driver", () => {
  it("lives beside built-in cells, with its outputs and nothing that it does not have", async () => {
    await driver.start(spec("c"));
    await driver.start(cellSpec("w", 1));
    driver.tick(2_000);
    const sample = driver.sample("c");
    expect(sample).toMatchObject({ simMinutes: 120, growthRatePerMinute: expect.closeTo(0.003, 9) });
    expect(sample?.outputs).toEqual({
      biomass: expect.closeTo(4.98333, 4),
      substrate: expect.closeTo(1 / 30, 6),
      productivity: expect.closeTo(0.01495, 6),
    });
    expect(sample).not.toHaveProperty("ribosomes");
    expect(sample).not.toHaveProperty("atp");
    expect(driver.sample("w")).toMatchObject({ simMinutes: 120, ribosomes: { cap: 503 } });
    expect(driver.sample("w")).not.toHaveProperty("outputs");
  });

  it("has the parameters of its config, of its set, and a medium of its own", async () => {
    await driver.start(
      spec("fast", { parameters: { dilutionPerMinute: 0.006 } }, { environment: { feed: 20 } }),
    );
    await driver.start(spec("slow", { parameterSet: "slow" }, { allocation: { atpPerSecond: 50_000 } }));
    expect(driver.sample("fast")?.growthRatePerMinute).toBeCloseTo(0.006, 9);
    expect(driver.sample("fast")?.outputs?.["biomass"]).toBeCloseTo(0.5 * (20 - 0.1), 9);
    // S = K·D/(μ_max − D) with the set's μ_max
    expect(driver.sample("slow")?.outputs?.["substrate"]).toBeCloseTo(0.3, 9);
  });

  it("refuses with every problem what its declaration does not allow", async () => {
    const wrong = { parameters: { dilutionPerMinute: 2, nosuch: 1 }, parameterSet: "fast" };
    const problems = await refused(wrong, { environment: { nutrientQuality: 1 } });
    expect(problems).toMatch(/^BAD_REQUEST /);
    for (const part of [
      "parameters.dilutionPerMinute",
      "parameters.nosuch",
      "parameterSet",
      "environment.nutrientQuality",
    ]) {
      expect(problems).toContain(part);
    }
    expect(await refused({ partitionNoise: true })).toMatch(/BAD_REQUEST.*partitionNoise/);
    expect(await refused({ model: 7 })).toMatch(/BAD_REQUEST.*config.model/);
    expect(await refused({}, { biologicalType: "syn3a" })).toMatch(/BAD_REQUEST.*use ecoli/);
    const builtIn = driver.start(cellSpec("w", 1, { config: { parameters: { dilutionPerMinute: 0.1 } } }));
    await expect(builtIn).rejects.toThrow(/the model weisse has no parameters/);
  });

  it("continues from its checkpoint, and only with the same parameters", async () => {
    const config = { parameters: { dilutionPerMinute: 0.004 } };
    await driver.start(spec("c", config));
    driver.tick(1_000);
    const { bytes } = await driver.snapshot("c", 1);
    driver.tick(1_000);
    const uninterrupted = driver.sample("c");
    await driver.start({ ...spec("c", config), fence: 2, checkpoint: bytes });
    driver.tick(1_000);
    expect(driver.sample("c")).toEqual(uninterrupted);
    expect(await refused({}, { checkpoint: bytes, fence: 3 })).toMatch(/it has other parameters/);
  });

  it("shows Lua its environment and outputs by their own names", async () => {
    await driver.start(spec("c"));
    const source = `
      local before = cell.environment().feed
      cell.set_environment{ feed = before * 2 }
      local ok, message = pcall(cell.set_environment, { feed = 2000 })
      return { before, cell.environment().feed, cell.outputs().biomass > 0, cell.ribosomes() == nil, message }
    `;
    const { result } = await driver.exec("c", 1, source, { timeoutMs: 10_000 });
    expect(result).toEqual([
      10,
      20,
      true,
      true,
      expect.stringContaining("feed must be a number from 0 to 1000"),
    ]);
    driver.tick(60_000);
    expect(driver.sample("c")?.outputs?.["biomass"]).toBeGreaterThan(9);
  });

  it("records its own columns", async () => {
    const rows: (readonly (number | null)[])[] = [];
    let names: readonly string[] = [];
    driver.onGuestEvent((event) => {
      if (event.kind !== "recorded") return;
      names = event.columns.map(({ name, unit }) => `${name} [${unit}]`);
      rows.push(...event.rows);
    });
    await driver.start(spec("c", {}, { record: { key: "k", everyMinutes: 30 } }));
    driver.tick(1_000);
    expect(names).toEqual([
      "minute [min]",
      "growthRatePerMinute [1/min]",
      "doublingTimeMinutes [min]",
      "biomass [g/L]",
      "substrate [g/L]",
      "productivity [g/L/min]",
      "allocation.ribosomes [molecules]",
      "allocation.rnaPolymerases [molecules]",
      "allocation.atpPerSecond [molecules/s]",
      "allocation.dnaKilobases [kb]",
      "environment.feed [g/L]",
    ]);
    expect(rows.map(([minute]) => minute)).toEqual([0, 30, 60]);
    expect(rows[2]?.[3]).toBeCloseTo(4.98333, 4);
  });
});
