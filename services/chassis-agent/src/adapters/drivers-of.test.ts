import { fileURLToPath } from "node:url";
import { expect, it, vi } from "vitest";
import { driversOf } from "./drivers-of.ts";

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
const broken = fileURLToPath(new URL("./broken-driver.testing.ts", import.meta.url));

const log = { messageAt: vi.fn() };
const identity = { agentId: "a1", clusterId: "00112233aabbccdd" };

const load = (extensions: Parameters<typeof driversOf>[4], env = {}, threads = 0) =>
  driversOf({ logger, log: log as never }, env, identity, { timeScale: 60, threads }, extensions);

it("the driver of an extension runs VMs of type basic", async () => {
  const { drivers } = await load({ driver: "@bioxen-examples/third-party-driver" });
  expect(drivers).toHaveLength(1);
  const [driver] = drivers;
  expect(driver?.capabilities).toMatchObject({ vmType: "basic", exec: false });
  const spec = { vmId: "v1", incarnation: 1, fence: 1, biologicalType: "syn3a", seed: 1, config: {} };
  await driver?.start({ ...spec, allocation: { ribosomes: 250 } });
  driver?.tick(60_000);
  expect(driver?.sample("v1")).toMatchObject({ doublingTimeMinutes: 60, divisions: 60 });
});

it("an extension that cannot be loaded is a configuration error with the reason", async () => {
  await expect(load({ driver: "@acme/none" })).rejects.toThrow(
    /BIOXEN_DRIVER: @acme\/none: package not found/,
  );
  await expect(load({ driver: "@bioxen-examples/jcvi-bridge" })).rejects.toThrow(/exports no createDriver/);
  await expect(load({ driver: broken })).rejects.toThrow(/the result of createDriver: has no method start/);
  await expect(load({ driver: "a", cellModels: ["b"] })).rejects.toThrow(/BIOXEN_CELL_MODEL/);
  const cellModels = ["@acme/none", "@bioxen-examples/placement-policy"];
  await expect(load({ cellModels })).rejects.toThrow(/@acme\/none: package not found.*exports no cellModel/s);
  const twice = [
    "@bioxen-examples/chemostat",
    fileURLToPath(import.meta.resolve("@bioxen-examples/chemostat")),
  ];
  await expect(load({ cellModels: twice })).rejects.toThrow(/two packages have a model chemostat/);
});
