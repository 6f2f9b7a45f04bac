import { fileURLToPath } from "node:url";
import { expect, it, vi } from "vitest";
import { driversOf } from "./drivers-of.ts";

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
const broken = fileURLToPath(new URL("./broken-driver.testing.ts", import.meta.url));

const load = (extensions: Parameters<typeof driversOf>[4], env = {}) =>
  driversOf({ logger: logger as never }, env, "a1", 60, extensions);

it("a driver's package runs the VMs of type basic", async () => {
  const { drivers } = await load({ driver: "@bioxen-examples/third-party-driver" });
  expect(drivers).toHaveLength(1);
  const [driver] = drivers;
  expect(driver?.capabilities).toMatchObject({ vmType: "basic", exec: false });
  const spec = { vmId: "v1", incarnation: 1, fence: 1, biologicalType: "syn3a", seed: 1, config: {} };
  await driver?.start({ ...spec, allocation: { ribosomes: 250 } });
  driver?.tick(60_000);
  expect(driver?.sample("v1")).toMatchObject({ doublingTimeMinutes: 60, divisions: 60 });
});

it("a cell model's package is what the built-in driver's cells are", async () => {
  const { drivers } = await load({ cellModel: "@bioxen-examples/jcvi-bridge" });
  const [driver] = drivers;
  const allocation = { ribosomes: 252, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 };
  const spec = { vmId: "v1", incarnation: 1, fence: 1, biologicalType: "syn3a", seed: 1, config: {} };
  await driver?.start({ ...spec, allocation });
  // By the law of the minimum, not as the built-in model has it.
  expect(driver?.sample("v1")?.doublingTimeMinutes).toBeCloseTo((105 * 503) / 252, 9);
  const { bytes } = (await driver?.snapshot("v1", 1)) ?? { bytes: new Uint8Array() };
  const [builtIn] = (await load({})).drivers;
  const goesOn = builtIn?.start({ ...spec, fence: 2, allocation, checkpoint: bytes });
  await expect(goesOn).rejects.toThrow(/its model is organism-bridge 1, not weisse 1/);
  await Promise.all([driver?.close(), builtIn?.close()]);
});

it("what cannot be loaded is the configuration's error, in words", async () => {
  await expect(load({ driver: "@acme/none" })).rejects.toThrow(
    /BIOXEN_DRIVER: @acme\/none: package not found/,
  );
  await expect(load({ driver: "@bioxen-examples/jcvi-bridge" })).rejects.toThrow(/exports no createDriver/);
  await expect(load({ driver: broken })).rejects.toThrow(/the result of createDriver: has no method start/);
  await expect(load({ driver: "a", cellModel: "b" })).rejects.toThrow(/BIOXEN_CELL_MODEL/);
});
