/**
 * A removal that the pool rejects to the last try: the VM keeps its allocation until then, is destroyed with the reason,
 * and the alert stays, also across a restart of the agent, until a person has removed the object.
 */
import type { FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { MAX_REMOVAL_TRIES } from "../../packages/driver-xcpng/src/driver/limits.ts";
import { openPoolWorld, type PoolWorld, runMachine } from "./pool-world.ts";
import { eventually, type Json, type World } from "./world.ts";

/** Time limit for one test, ms: on a busy machine, the stack and its commands are slow. */
const TIMEOUT_MS = 300_000;
/** First wait between two tries, ms. All tries then take about 10 s. */
const FIRST_WAIT_MS = 10;
/** Longest wait for the last try, or for the alert to be cleared, ms. */
const LATE_MS = 120_000;
let fake: FakeXapi;
let world: World;

let pool: PoolWorld;
beforeAll(async () => {
  pool = await openPoolWorld(undefined, { BIOXEN_XCPNG_REMOVAL_WAIT_MS: String(FIRST_WAIT_MS) });
  ({ fake, world } = pool);
});
afterAll(() => pool?.close());

const tries = () => fake.statistics.byMethod.get("VDI.destroy") ?? 0;
const vmOf = async (vmId: string): Promise<Json> => (await world.done("qry.vm.get", { vmId })).vm;
const leftBehind = async (): Promise<Json[]> =>
  (await world.done("qry.chassis.get", { chassisId: "xcpng-1" })).chassis.leftBehind ?? [];
async function ledgerHas(vmId: string): Promise<boolean> {
  const { ledger } = await world.done("qry.ledger.get", { chassisId: "xcpng-1" });
  return ledger.entries.some((entry: Json) => entry.vmId === vmId);
}
async function alert(): Promise<Json> {
  const { active } = await world.done("qry.alert.list", {});
  return active.find(({ ruleId }: Json) => ruleId === "pool-left-behind");
}

it("after the last try the VM is destroyed, and the alert stays until the disk is gone", {
  timeout: TIMEOUT_MS,
}, async () => {
  await runMachine(world, "g1");
  fake.faults.add({ kind: "refuse", method: "VDI.destroy", code: "VDI_IN_USE" }, 100_000);
  await world.done("cmd.vm.destroy", { vmId: "g1" });
  await eventually("the third try", () => tries() >= 3 || undefined);
  expect([(await vmOf("g1")).state, await ledgerHas("g1"), await alert()]).toEqual([
    "stopping",
    true,
    undefined,
  ]);
  await world.reach("g1", "destroyed", LATE_MS);
  expect(tries()).toBe(MAX_REMOVAL_TRIES);
  await eventually("the allocation is released", async () => (await ledgerHas("g1")) === false || undefined);
  const { events } = await world.done("qry.vm.history", { vmId: "g1" });
  const { data } = events.find(({ type }: Json) => type === "bioxen.vm.stopped.v1");
  const [{ uuid, ...left }] = (await eventually("the log says that it is given up", async () => {
    const all = await leftBehind();
    return all[0]?.nextTryAtMs === null ? all : undefined;
  })) as [Json];
  expect(left).toMatchObject({ vmId: "g1", kind: "disk", tries: MAX_REMOVAL_TRIES });
  expect(data.reason).toContain(`the pool keeps the disk ${uuid}, which a person must remove: `);
  expect(data.reason).toContain("VDI_IN_USE");
  expect(await eventually("the alert is raised", alert)).toMatchObject({ value: 1 });

  const service = () => world.stack.services().find(({ name }) => name === "chassis-agent");
  const sampleOf = async (): Promise<Json> =>
    (await world.look("qry.monitor.chassis", { chassisId: "xcpng-1" })).sample;
  const [{ instance }, triesBefore] = [await sampleOf(), tries()];
  process.kill(service()?.pid ?? 0, "SIGKILL");
  await eventually("the restarted agent tries again", () => tries() >= triesBefore + 5 || undefined, LATE_MS);
  const sample = await eventually("a heartbeat of the restarted agent", async () => {
    const latest = await sampleOf();
    return latest !== undefined && latest.instance !== instance ? latest : undefined;
  });
  expect(sample.leftBehind).toBe(1);
  expect(await alert(), "the alert is still there").toMatchObject({ value: 1 });
  expect(await leftBehind()).toMatchObject([{ uuid, nextTryAtMs: null }]);

  fake.faults.clear();
  const [ref] = fake.pool.db.all("VDI").find(([, disk]) => disk["uuid"] === uuid) ?? [];
  // The restarted agent may have removed it meanwhile.
  if (ref !== undefined) fake.pool.removeVdi(ref);
  await eventually("the alert is cleared", async () => (await alert()) === undefined || undefined, LATE_MS);
  expect(await leftBehind()).toEqual([]);
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});
