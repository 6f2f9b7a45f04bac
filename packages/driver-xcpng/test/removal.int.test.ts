/**
 * Removals of machines and snapshots on a pool that keeps disks attached and in place as XAPI does: nothing is left, and
 * what the pool refuses to remove is listed, tried again a limited number of times, and found again after a crash.
 */
import type { Counts, FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import type { GuestEvent } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import { MAX_REMOVAL_TRIES } from "../src/driver/limits.ts";
import { machineSpec, withDriver } from "./fleet.ts";

/** The numbers of objects in the pool, tasks and sessions included, once every task has ended. */
async function objects(fake: FakeXapi): Promise<Counts> {
  await eventually("every task has ended", () => fake.counts().tasks === 0 || undefined);
  return fake.counts();
}

describe("a machine with a checkpoint", () => {
  it("and the checkpoint are removed without a rest", async () => {
    await withDriver(async ({ fake, driver }) => {
      const before = await objects(fake);
      await driver.start(machineSpec("x1", 10));
      const running = await objects(fake);
      for (const name of ["s1", "s2"]) await driver.snapshots?.take("x1", 10, name);
      await driver.snapshots?.drop("x1", "s1");
      await driver.snapshots?.drop("x1", "s2");
      expect(await objects(fake)).toEqual(running);
      await driver.snapshots?.take("x1", 10, "s3");
      await driver.stop("x1", 10);
      await driver.discard("x1", 1);
      expect([await objects(fake), driver.kept(), driver.leftBehind?.()]).toEqual([before, [], []]);
    });
  });

  it("is removed although the pool suspended it meanwhile", async () => {
    await withDriver(async ({ fake, driver }) => {
      const before = await objects(fake);
      await driver.start(machineSpec("x1", 10));
      const vm = fake.pool.db
        .all("VM")
        .find(([, one]) => one["power_state"] === "Running" && one["is_control_domain"] !== true);
      await fake.outside("VM.suspend", vm?.[0]);
      await eventually("it is seen", () => driver.list()[0]?.state === "paused" || undefined);
      await driver.stop("x1", 10);
      await driver.discard("x1", 1);
      expect(await objects(fake)).toEqual(before);
    });
  });
});

describe("what the pool does not remove", () => {
  it.each([
    ["disk", "VDI.destroy", "VDI_IN_USE"],
    ["machine", "VM.destroy", "OPERATION_BLOCKED"],
  ] as const)("is listed with the reason and tried again: a %s", async (kind, method, code) => {
    await withDriver(
      async ({ fake, driver }) => {
        const before = await objects(fake);
        const events: GuestEvent[] = [];
        driver.onGuestEvent((event) => event.kind === "left" && events.push(event));
        await driver.start(machineSpec("x1", 10));
        await driver.stop("x1", 10);
        fake.faults.add({ kind: "refuse", method, code }, 3);
        await driver.discard("x1", 1);
        expect(driver.kept()).toEqual([]);
        expect(driver.leftBehind?.()).toMatchObject([{ vmId: "x1", kind, tries: 1 }]);
        expect(driver.leftBehind?.()[0]?.reason).toContain(code);
        await eventually("it is gone", () => driver.leftBehind?.().length === 0 || undefined);
        expect(await objects(fake)).toEqual(before);
        expect(events).toMatchObject([{ vmId: "x1", left: { kind, tries: 1 } }]);
      },
      {},
      { firstRemovalWaitMs: 1 },
    );
  });

  it("is given up after a limited number of tries, and stays listed until a person removes it", async () => {
    await withDriver(
      async ({ fake, driver }) => {
        const gaveUp: GuestEvent[] = [];
        driver.onGuestEvent((event) => {
          if (event.kind === "left" && event.left.nextTryAtMs === undefined) gaveUp.push(event);
        });
        await driver.start(machineSpec("x1", 10));
        await driver.stop("x1", 10);
        fake.faults.add({ kind: "refuse", method: "VDI.destroy", code: "VDI_IN_USE" }, 10_000);
        await driver.discard("x1", 1);
        await eventually("it is given up", () => gaveUp[0]);
        expect(driver.leftBehind?.()).toMatchObject([{ kind: "disk", tries: MAX_REMOVAL_TRIES }]);
        expect(fake.statistics.byMethod.get("VDI.destroy")).toBe(MAX_REMOVAL_TRIES);
        const [{ uuid = "" } = {}] = driver.leftBehind?.() ?? [];
        expect(await driver.stillHas?.("disk", uuid)).toBe(true);
        fake.faults.clear();
        const [ref] = fake.pool.db.all("VDI").find(([, disk]) => disk["uuid"] === uuid) ?? [];
        await fake.outside("VDI.destroy", ref);
        await eventually("a person has removed it", () => driver.leftBehind?.().length === 0 || undefined);
        expect(await driver.stillHas?.("disk", uuid)).toBe(false);
      },
      {},
      { firstRemovalWaitMs: 1, removalLookMs: 20 },
    );
  });

  it("does not block a new machine of the same VM id", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.stop("x1", 10);
      fake.faults.add({ kind: "refuse", method: "VM.destroy", code: "OPERATION_BLOCKED" }, 2);
      await driver.discard("x1", 1);
      await driver.start(machineSpec("x1", 20, { incarnation: 2 }));
      expect(driver.list()).toEqual([{ vmId: "x1", fence: 20, restores: 0, state: "running" }]);
      await eventually("the old one is gone", () => driver.leftBehind?.().length === 0 || undefined);
      expect(driver.list()).toEqual([{ vmId: "x1", fence: 20, restores: 0, state: "running" }]);
    });
  });

  it("is removed by the next driver after a crash between the record and its disks; a copy's disk stays", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      const before = await objects(fake);
      await driver.start(machineSpec("x1", 10));
      await driver.stop("x1", 10);
      fake.faults.add({ kind: "refuse", method: "VDI.destroy", code: "VDI_IN_USE" }, 10_000);
      await driver.discard("x1", 1);
      await driver.close();
      expect((await objects(fake)).vdis).toBe(before.vdis + 1);
      fake.faults.clear();
      const marked = fake.pool.db
        .all("VDI")
        .find(([, disk]) => "bioxen:remove" in (disk["other_config"] as object));
      const copy = fake.pool.addVdi({ other_config: marked?.[1]["other_config"] });
      const next = again();
      await next.whenReady();
      await eventually("the disk is gone", () => fake.counts().vdis === before.vdis + 1 || undefined);
      expect(fake.pool.db.find("VDI", copy)).toBeDefined();
    });
  });
});
