/**
 * Default alert rules on machines of a pool: a healthy machine raises none, and each trouble of a machine has its own.
 */
import { DEFAULT_ALERT_RULES, type VmSample } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { AlertWorld, TAKEOVER_MS } from "./alert-world.ts";

type Machine = NonNullable<VmSample["machine"]>;

const HEALTHY: Machine = {
  vcpus: 2,
  cpuPermille: 120,
  memoryMiB: 2_048,
  memoryUsedMiB: 700,
  address: "10.0.0.5",
  host: "host-1",
};
/** Longer than the hold times of all rules, s. */
const LONG_S = 90;

/** Runs a cell `c1` and a machine `m1` with these measurements, and returns the active alerts as `rule target`. */
async function alertsWith(
  machine: Machine,
  cellGrowthPermille = 1_000,
  growthInMachine = 0,
): Promise<string[]> {
  const world = new AlertWorld();
  await world.livingChassis("c");
  for (const vmId of ["m1", "c1"]) await world.runningVm(vmId);
  const one = await world.start();
  await world.clock.advance(TAKEOVER_MS);
  for (let i = 0; i < LONG_S; i += 1) {
    world.sample("m1", growthInMachine, { machine, doublingTimeMinutes: null });
    world.sample("c1", cellGrowthPermille);
    await world.clock.advance(1_000);
  }
  const { active } = await one.ask("alertList", {});
  await one.end();
  return (active as { ruleId: string; target: string }[])
    .map(({ ruleId, target }) => `${ruleId} ${target}`)
    .filter((name) => name.endsWith(" m1") || name.endsWith(" c1"))
    .sort();
}

it("a healthy machine raises no alert, with guest tools or without, although it does not grow", async () => {
  expect(Math.max(...Object.values(DEFAULT_ALERT_RULES).map(({ forMs }) => forMs))).toBeLessThan(
    LONG_S * 1_000,
  );
  expect(await alertsWith(HEALTHY)).toEqual([]);
  expect(await alertsWith({ ...HEALTHY, memoryUsedMiB: null, address: null })).toEqual([]);
});

it("a cell that does not grow still raises the alerts of cells", async () => {
  expect(await alertsWith(HEALTHY, 1)).toEqual(["vm-stalled c1", "vm-starving c1"]);
});

it("a machine with full memory and a machine that its pool does not measure raise their own alerts", async () => {
  expect(await alertsWith({ ...HEALTHY, memoryUsedMiB: 2_040 })).toEqual(["machine-memory-full m1"]);
  expect(await alertsWith({ ...HEALTHY, cpuPermille: null })).toEqual(["machine-unmeasured m1"]);
});

it("a cell in a machine is watched like a cell, and its machine like a machine", async () => {
  const agent = { version: "0.2.0", model: "weisse", state: "running" } as const;
  expect(await alertsWith({ ...HEALTHY, agent }, 1_000, 1_000)).toEqual([]);
  expect(await alertsWith({ ...HEALTHY, agent, memoryUsedMiB: 2_040 }, 1_000, 1)).toEqual([
    "machine-memory-full m1",
    "vm-stalled m1",
    "vm-starving m1",
  ]);
  const failed = { ...agent, state: "failed" } as const;
  expect(await alertsWith({ ...HEALTHY, agent: failed }, 1_000, 1_000)).toEqual([
    "vm-stalled m1",
    "vm-starving m1",
  ]);
});
