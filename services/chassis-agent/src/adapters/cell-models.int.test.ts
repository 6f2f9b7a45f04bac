import { expect, it, vi } from "vitest";
import { driversOf } from "./drivers-of.ts";

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
const log = { messageAt: vi.fn() };
const identity = { agentId: "a1", clusterId: "00112233aabbccdd" };

const load = (extensions: Parameters<typeof driversOf>[4]) =>
  driversOf({ logger, log: log as never }, {}, identity, { timeScale: 60, threads: 1 }, extensions);

it("the built-in driver has the cell models of extensions beside its own", async () => {
  const cellModels = ["@bioxen-examples/jcvi-bridge", "@bioxen-examples/chemostat"];
  const { drivers, models } = await load({ cellModels });
  expect(models.map(({ name, version }) => `${name} ${version}`)).toEqual([
    "organism-bridge 2",
    "chemostat 1",
  ]);
  const [driver] = drivers;
  const allocation = { ribosomes: 252, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 };
  const spec = { vmId: "v1", incarnation: 1, fence: 1, biologicalType: "syn3a", seed: 1, allocation };
  await driver?.start({ ...spec, config: { model: "organism-bridge" } });
  await driver?.start({ ...spec, vmId: "v2", config: {} });
  // The example follows the law of the minimum.
  expect(driver?.sample("v1")?.doublingTimeMinutes).toBeCloseTo((105 * 503) / 252, 9);
  expect(driver?.sample("v2")?.doublingTimeMinutes).toBeCloseTo(150.4, 1);
  const { bytes } = (await driver?.snapshot("v1", 1)) ?? { bytes: new Uint8Array() };
  const start = driver?.start({ ...spec, vmId: "v3", config: {}, checkpoint: bytes });
  await expect(start).rejects.toThrow(/its model is organism-bridge 2, not weisse \d/);
  const other = driver?.start({ ...spec, vmId: "v4", config: { model: "yeast" } });
  await expect(other).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: expect.stringContaining("no model yeast"),
  });
  await driver?.close();
});
