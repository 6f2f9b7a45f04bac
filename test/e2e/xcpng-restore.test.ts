/**
 * Restores of VMs of a pool from snapshots that stay there. Each restore is one revert in the pool, and the history has
 * it once: a revert that is repeated discards the work of the machine and makes new disks each time.
 */
import type { FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { machineOf, objectsOf, openPoolWorld, type PoolWorld, runMachine } from "./pool-world.ts";
import { eventually, type Json, type World } from "./world.ts";

/** Time limit for one test, ms: on a busy machine, the stack and its commands are slow. */
const TIMEOUT_MS = 300_000;
let fake: FakeXapi;
let world: World;
let empty: Json;

let pool: PoolWorld;
beforeAll(async () => {
  pool = await openPoolWorld();
  ({ fake, world, empty } = pool);
});
afterAll(() => pool?.close());

const reverts = () => fake.statistics.byMethod.get("Async.VM.revert") ?? 0;

async function eventsOf(vmId: string, type: string): Promise<Json[]> {
  const { events } = await world.done("qry.vm.history", { vmId });
  return events.filter((event: Json) => event.type.startsWith(`bioxen.vm.${type}.`));
}

async function runWithSnapshot(vmId: string): Promise<void> {
  await runMachine(world, vmId);
  await world.bioxenJson("vm", "snapshot", vmId, "--id", "before");
}

async function stop(vmId: string): Promise<void> {
  await world.done("cmd.vm.stop", { vmId });
  await world.reach(vmId, "stopped");
}

/** Waits until the machine runs as the VM's restore with this number has left it. */
async function isRestored(vmId: string, times: number): Promise<void> {
  await eventually(`restore ${times} of ${vmId} is done`, () => {
    const { other_config, power_state } = machineOf(fake, vmId);
    return (power_state === "Running" && other_config["bioxen:restores"] === String(times)) || undefined;
  });
}

async function destroyed(vmId: string): Promise<void> {
  await world.done("cmd.vm.destroy", { vmId });
  await world.reach(vmId, "destroyed");
  await eventually("the pool has the same objects as before", () => {
    return JSON.stringify(objectsOf(fake)) === JSON.stringify(empty) || undefined;
  });
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
}

describe("a restore", { timeout: TIMEOUT_MS }, () => {
  it("of a running machine is one revert, three times in a row", async () => {
    await runWithSnapshot("s1");
    const { uuid } = machineOf(fake, "s1");
    const before = reverts();
    for (const times of [1, 2, 3]) {
      await world.bioxenJson("vm", "restore", "s1", "before");
      await isRestored("s1", times);
      await eventually(
        "the history has the restart",
        async () => (await eventsOf("s1", "guest-restarted")).length === times || undefined,
      );
      // A newer sample: the agent has looked at the machine again since the restore.
      const { sample } = await world.look("qry.monitor.vm", { vmId: "s1" });
      await world.sample("s1", ({ sampleNumber }) => sampleNumber > (sample?.sampleNumber ?? 0) + 1);
      expect(reverts() - before).toBe(times);
    }
    expect(await eventsOf("s1", "restored")).toHaveLength(3);
    expect(machineOf(fake, "s1").uuid).toBe(uuid);
    await destroyed("s1");
  });

  it("of a stopped machine is one revert at its next start, three times in a row", async () => {
    await runWithSnapshot("s2");
    const before = reverts();
    for (const times of [1, 2, 3]) {
      await stop("s2");
      await world.done("cmd.vm.restore", { vmId: "s2", snapshotId: "before" });
      await world.done("cmd.vm.start", { vmId: "s2" });
      await world.reach("s2", "running");
      await isRestored("s2", times);
      await world.sample("s2", ({ sampleNumber }) => sampleNumber > 1);
      expect(reverts() - before).toBe(times);
    }
    await destroyed("s2");
  });

  it("that the pool rejects three times makes the VM fail with the pool's reason; the next restore tries again", async () => {
    await runWithSnapshot("s3");
    const before = reverts();
    for (const [round, isRunning] of [true, false].entries()) {
      if (!isRunning) await stop("s3");
      fake.faults.add({ kind: "refuse", method: "VM.revert", code: "VM_REVERT_FAILED" }, 1_000);
      await world.done("cmd.vm.restore", { vmId: "s3", snapshotId: "before" });
      if (!isRunning) await world.done("cmd.vm.start", { vmId: "s3" });
      const { reason } = await world.reach("s3", "error");
      expect(reason).toMatch(/3 reverts to the snapshot failed; the last one: .*VM_REVERT_FAILED/);
      expect(reverts() - before).toBe(4 * round + 3);
      fake.faults.clear();
      await world.done("cmd.vm.start", { vmId: "s3" });
      await world.reach("s3", "running");
      expect(reverts() - before, "a start after the failure goes on without the restore").toBe(4 * round + 3);
      await world.done("cmd.vm.restore", { vmId: "s3", snapshotId: "before" });
      await isRestored("s3", 2 * round + 2);
      expect(reverts() - before).toBe(4 * round + 4);
    }
    await destroyed("s3");
  });
});

it("a snapshot that another user deletes is lost, and one that BioXen deletes leaves the pool", {
  timeout: TIMEOUT_MS,
}, async () => {
  await runWithSnapshot("s4");
  const { snapshot } = await world.bioxenJson("vm", "snapshot", "s4", "--id", "before");
  const again = await world.done("cmd.vm.snapshot", { vmId: "s4", snapshotId: "before" });
  expect(again).toMatchObject({ changed: false, snapshot });
  expect(fake.counts()).toMatchObject({ snapshots: 1 });
  await world.done("cmd.vm.snapshot", { vmId: "s4", snapshotId: "lost" });
  const snapshots = fake.pool.db.all("VM").filter(([, vm]) => vm["is_a_snapshot"] === true);
  expect(snapshots).toHaveLength(2);
  for (const [ref, vm] of snapshots.slice(-1)) {
    // The disks of a snapshot with memory are attached until it is shut down.
    await fake.outside("VM.hard_shutdown", ref);
    for (const vbd of vm["VBDs"] as string[]) {
      await fake.outside("VDI.destroy", fake.pool.db.get("VBD", vbd)["VDI"] as string);
    }
    await fake.outside("VM.destroy", ref);
  }
  const before = reverts();
  await world.done("cmd.vm.restore", { vmId: "s4", snapshotId: "lost" });
  await isRestored("s4", 1);
  expect(reverts()).toBe(before);
  expect(await eventsOf("s4", "checkpoint-lost"), "its history says that it is lost").toHaveLength(1);
  for (const fromSnapshotId of [undefined, "before"]) {
    const fork = await world.ask("cmd.vm.fork", { vmId: "s4", newVmId: "s5", fromSnapshotId });
    expect(fork.error.code).toBe("UNSUPPORTED");
  }
  await stop("s4");
  await world.bioxenJson("vm", "snapshots", "s4", "--delete", "before");
  await eventually("no snapshot is left in the pool", () => fake.counts()["snapshots"] === 0 || undefined);
  await destroyed("s4");
});
