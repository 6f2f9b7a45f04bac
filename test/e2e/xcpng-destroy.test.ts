/**
 * A VM of a pool counts as destroyed once the pool has nothing of it any more.
 */
import type { FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { objectsOf, openPoolWorld, type PoolWorld, runMachine } from "./pool-world.ts";
import { eventually, type Json, type World } from "./world.ts";

/** Time limit for one test, ms: on a busy machine, the stack and its commands are slow. */
const TIMEOUT_MS = 240_000;
/** Longest wait for the removal of all disks, ms. */
const LATE_MS = 90_000;
let fake: FakeXapi;
let world: World;
let empty: Json;

let pool: PoolWorld;
beforeAll(async () => {
  pool = await openPoolWorld();
  ({ fake, world, empty } = pool);
});
afterAll(() => pool?.close());

/** The VMs with an allocation in the pool. */
async function ledgerOf(): Promise<readonly string[]> {
  const { ledger } = await world.done("qry.ledger.get", { chassisId: "xcpng-1" });
  return ledger.entries.map(({ vmId, phase }: Json) => `${vmId} ${phase}`);
}

const released = () =>
  eventually("the allocation is released", async () => (await ledgerOf()).length === 0 || undefined);

/**
 * Destroys the VM while the pool keeps its disks for three tries each, and expects that it is not destroyed before they
 * are gone.
 */
async function destroysLate(vmId: string, disks: number): Promise<void> {
  const ledger = await ledgerOf();
  fake.faults.add({ kind: "refuse", method: "VDI.destroy", code: "VDI_IN_USE" }, 3 * disks);
  await world.done("cmd.vm.destroy", { vmId });
  await eventually("vm show says what the pool keeps", async () => {
    const shown = await world.bioxenProcess("vm", "show", vmId);
    return /the pool keeps the disk .*; wait: the agent tries again/.test(shown.stdout) || undefined;
  });
  expect((await world.done("qry.vm.get", { vmId })).vm.state).toBe("stopping");
  expect(await ledgerOf()).toEqual(ledger);
  // The disks share the refusals: one of them can get so many that its next try is half a minute later.
  await world.reach(vmId, "destroyed", LATE_MS);
  expect(objectsOf(fake)).toEqual(empty);
}

it("a running VM keeps its allocation until nothing of it is left", { timeout: TIMEOUT_MS }, async () => {
  await runMachine(world, "r1");
  await world.done("cmd.vm.snapshot", { vmId: "r1", snapshotId: "kept" });
  expect(await ledgerOf()).toEqual(["r1 committed"]);
  // The machine has a disk; its snapshot has another one, and a memory image.
  await destroysLate("r1", 3);
  await released();
});

it("a stopped VM is stopping until its machine is removed", { timeout: TIMEOUT_MS }, async () => {
  await runMachine(world, "r2");
  await world.done("cmd.vm.stop", { vmId: "r2" });
  await world.reach("r2", "stopped");
  await released();
  await destroysLate("r2", 1);
  const words = await eventually("the log says that the pool kept a disk, and that it is gone", async () => {
    const { stdout } = await world.bioxenProcess("events", "tail", "--from", "1", "--no-follow");
    return /the disk \S+ of r2 is gone from the pool/.test(stdout) ? stdout : undefined;
  });
  expect(words).toMatch(/the pool keeps the disk \S+ of r2 after 1 try: .*VDI_IN_USE/);
  expect((await world.done("qry.chassis.get", { chassisId: "xcpng-1" })).chassis.leftBehind).toBeUndefined();
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});

it("a VM whose machine another user has deleted is destroyed", { timeout: TIMEOUT_MS }, async () => {
  await runMachine(world, "r3");
  await world.done("cmd.vm.stop", { vmId: "r3" });
  await world.reach("r3", "stopped");
  const [machine] = fake.pool.db
    .all("VM")
    .filter(([, vm]) => (vm["other_config"] as Record<string, string>)["bioxen:vm-id"] === "r3");
  const vbds = (machine?.[1]["VBDs"] ?? []) as string[];
  const disks = vbds.map((vbd) => String(fake.pool.db.get("VBD", vbd)["VDI"]));
  await fake.outside("VM.destroy", machine?.[0]);
  for (const disk of disks) await fake.outside("VDI.destroy", disk);
  await world.done("cmd.vm.destroy", { vmId: "r3" });
  await world.reach("r3", "destroyed");
  expect(objectsOf(fake)).toEqual(empty);
});
