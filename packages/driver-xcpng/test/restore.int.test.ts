/**
 * Restores of machines on a pool that reverts as XAPI does: each restore is one revert, and the machine is afterwards in
 * the state that it had before.
 */
import type { Counts, FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { driverErrorCode } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { checkpointNaming } from "../src/driver/snapshots.ts";
import { thrownBy } from "./connect.ts";
import { machineSpec, withDriver } from "./fleet.ts";

const reverts = (fake: FakeXapi) => fake.statistics.byMethod.get("Async.VM.revert") ?? 0;
const checkpoint = checkpointNaming("s1");
const restored = (restores: number, fence = 10) => machineSpec("x1", fence, { checkpoint, restores });

function machine(fake: FakeXapi): Record<string, unknown> & { readonly ref: string } {
  const found = fake.pool.db.all("VM").find(([, vm]) => {
    const config = vm["other_config"] as Record<string, string>;
    return config["bioxen:vm-id"] === "x1" && vm["is_a_snapshot"] !== true;
  });
  if (found === undefined) throw new Error("the pool has no x1");
  return { ...found[1], ref: found[0] };
}

/** The disks of the machine. The text of a disk, which its copies inherit, stands for its content. */
const disks = (fake: FakeXapi): readonly string[] =>
  (machine(fake)["VBDs"] as string[]).map((vbd) => String(fake.pool.db.get("VBD", vbd)["VDI"]));
const contents = (fake: FakeXapi) =>
  disks(fake).map(
    (disk) => (fake.pool.db.get("VDI", disk)["other_config"] as Record<string, string>)["content"],
  );

function write(fake: FakeXapi, content: string): void {
  for (const disk of disks(fake)) {
    const { other_config } = fake.pool.db.get("VDI", disk);
    fake.pool.db.update("VDI", disk, { other_config: { ...(other_config as object), content } });
  }
}

/** The numbers of objects in the pool, tasks and sessions included, once every task has ended. */
async function settled(fake: FakeXapi): Promise<Counts> {
  await eventually("every task has ended", () => fake.counts().tasks === 0 || undefined);
  return fake.counts();
}

const states = (driver: XcpngDriver) => driver.list().map(({ state, restores }) => `${state} ${restores}`);

describe.each([
  ["with memory", "Running"],
  ["without memory, as the guest has no tools", "Running"],
  ["without memory, as the pool has no storage for it", "Running"],
  ["without memory, as the machine was paused", "Paused"],
])("a snapshot %s", (kind, stateAtSnapshot) => {
  const take = async (fake: FakeXapi, driver: XcpngDriver): Promise<void> => {
    fake.faults.switches.guestsLackTools = kind.includes("tools");
    fake.faults.switches.noSuspendStorage = kind.includes("storage");
    await driver.start(machineSpec("x1", 10));
    write(fake, "taken");
    if (stateAtSnapshot === "Paused") await driver.pause("x1", 10);
    await driver.snapshots?.take("x1", 10, "s1");
    if (stateAtSnapshot === "Paused") await driver.resume("x1", 10);
    const [snapshot] = machine(fake)["snapshots"] as string[];
    const { power_state } = fake.pool.db.get("VM", snapshot ?? "");
    expect(power_state).toBe(kind === "with memory" ? "Suspended" : "Halted");
  };

  it("restores a running machine with one revert, three times", async () => {
    await withDriver(async ({ fake, driver }) => {
      await take(fake, driver);
      const before = await settled(fake);
      for (const restores of [1, 2, 3]) {
        write(fake, "later");
        await driver.restart(restored(restores));
        expect(contents(fake)).toEqual(["taken"]);
        expect([states(driver), reverts(fake)]).toEqual([[`running ${restores}`], restores]);
        expect(machine(fake)).toMatchObject({
          power_state: "Running",
          other_config: { "bioxen:restores": String(restores), "bioxen:fence": "10", "bioxen:ran": "10" },
        });
      }
      expect(await settled(fake)).toEqual(before);
    });
  });

  it("restores a stopped machine at its next start with one revert, three times", async () => {
    await withDriver(async ({ fake, driver }) => {
      await take(fake, driver);
      const before = await settled(fake);
      for (const restores of [1, 2, 3]) {
        const fence = 10 * (restores + 1);
        write(fake, "later");
        await driver.stop("x1", fence - 10);
        await driver.start(restored(restores, fence));
        expect(contents(fake)).toEqual(["taken"]);
        expect([states(driver), reverts(fake)]).toEqual([[`running ${restores}`], restores]);
        expect(await settled(fake)).toEqual(before);
      }
    });
  });

  it("restores a paused machine with one revert, three times; it stays paused, and runs when it is resumed", async () => {
    await withDriver(async ({ fake, driver }) => {
      await take(fake, driver);
      const before = await settled(fake);
      await driver.pause("x1", 10);
      for (const restores of [1, 2, 3]) {
        write(fake, "later");
        await driver.restart(restored(restores));
        expect(contents(fake)).toEqual(["taken"]);
        expect([states(driver), reverts(fake)]).toEqual([[`paused ${restores}`], restores]);
        // A restored memory is an image on the storage until the machine is resumed.
        const images = kind === "with memory" ? 1 : 0;
        expect(await settled(fake)).toEqual({ ...before, vdis: before.vdis + images });
      }
      await driver.resume("x1", 10);
      expect([states(driver), machine(fake)["power_state"]]).toEqual([["running 3"], "Running"]);
      expect([contents(fake), await settled(fake)]).toEqual([["taken"], before]);
    });
  });
});

describe("the fields that a revert sets back", () => {
  const labels = (fake: FakeXapi) => {
    const { name_label, name_description } = machine(fake);
    return { name_label, name_description };
  };

  it.each(["checkpoint", "snapshot of the disks"])(
    "name, description and weight are BioXen's again at once: a %s",
    async (kind) => {
      await withDriver(async ({ fake, driver }) => {
        fake.faults.switches.guestsLackTools = kind !== "checkpoint";
        await driver.start(machineSpec("x1", 10, { priority: 1 }));
        const own = labels(fake);
        const { ref } = machine(fake);
        await fake.outside("VM.set_name_label", ref, "renamed");
        await fake.outside("VM.set_name_description", ref, "described");
        await driver.snapshots?.take("x1", 10, "s1");
        await fake.outside("VM.set_name_label", ref, own.name_label);
        await fake.outside("VM.set_name_description", ref, own.name_description);
        await driver.stop("x1", 10);
        const config = { cpuSharePercent: 50 };
        await driver.start(machineSpec("x1", 20, { priority: 5, config }));
        const share = machine(fake)["VCPUs_params"];
        expect(share).toMatchObject({ weight: "4096", cap: "100" });
        await driver.restart({ ...restored(1, 20), priority: 5, config });
        expect(reverts(fake)).toBe(1);
        expect(labels(fake)).toEqual(own);
        expect(machine(fake)["VCPUs_params"]).toEqual(share);
        expect(states(driver)).toEqual(["running 1"]);
      });
    },
  );

  it("are BioXen's also on a paused machine, which stays paused with the memory of its snapshot", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10, { priority: 1 }));
      await driver.snapshots?.take("x1", 10, "s1");
      await driver.stop("x1", 10);
      await driver.start(machineSpec("x1", 20, { priority: 5 }));
      await driver.pause("x1", 20);
      await driver.restart({ ...restored(1, 20), priority: 5 });
      expect([machine(fake)["power_state"], machine(fake)["VCPUs_params"]]).toEqual([
        "Suspended",
        { weight: "4096" },
      ]);
    });
  });
});

describe("an interrupted restore", () => {
  it.each(["VM.set_other_config", "VM.add_tags", "VM.resume"])(
    "is no failed guest, and the next driver completes it: %s fails after the revert",
    async (method) => {
      await withDriver(async ({ fake, driver, again }) => {
        await driver.start(machineSpec("x1", 10));
        await driver.snapshots?.take("x1", 10, "s1");
        // The first tag is written before the revert.
        if (method === "VM.add_tags") await fake.outside("VM.add_tags", machine(fake).ref, "of another user");
        const isAfterRevert = (): boolean => reverts(fake) > 0;
        fake.faults.add({ kind: "refuse", method, code: "INTERNAL_ERROR", when: isAfterRevert });
        expect(driverErrorCode(await thrownBy(driver.restart(restored(1))))).toBe("UNAVAILABLE");
        await driver.close();
        const next = again();
        await next.whenReady();
        expect(next.list().filter(({ state }) => state === "failed")).toEqual([]);
        if (next.list().length === 0) await next.start(restored(1));
        else if (next.list()[0]?.restores === 0) await next.restart(restored(1));
        else await next.resume("x1", 10);
        expect(states(next)).toEqual(["running 1"]);
        expect(reverts(fake)).toBeLessThanOrEqual(2);
      });
    },
  );

  it("another user's revert to an older snapshot does not make BioXen restore again", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      const older = String(await fake.outside("VM.snapshot", machine(fake).ref, "an administrator's"));
      await driver.snapshots?.take("x1", 10, "s1");
      await driver.restart(restored(1));
      await driver.stop("x1", 10);
      await fake.outside("VM.revert", older);
      expect(machine(fake)["other_config"]).toMatchObject({ "bioxen:restores": "0" });
      await driver.start(restored(1, 20));
      expect([states(driver), reverts(fake)]).toEqual([["running 1"], 1]);
    });
  });

  it("is not repeated without end: after three failed reverts the guest has failed, with the pool's reason", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.snapshots?.take("x1", 10, "s1");
      fake.faults.add({ kind: "refuse", method: "VM.revert", code: "VM_REVERT_FAILED" }, 99);
      const attempt = () =>
        driver.list().length === 0 ? driver.start(restored(1)) : driver.restart(restored(1));
      for (const retryable of [true, true, false]) {
        const error = await thrownBy(attempt());
        expect(error).toMatchObject({ retryable });
        expect(error.message).toContain("VM_REVERT_FAILED");
      }
      fake.faults.clear();
      await driver.start(restored(1, 20));
      expect(states(driver)).toEqual(["running 1"]);
    });
  });
});
