/**
 * Machines of other owners on the same pool: another BioXen, another agent, a lost or older log, and an earlier release.
 */
import { type FakeXapi, MIB } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { driverErrorCode } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import type { MachineOwner } from "../src/driver/ownership.ts";
import { checkpointNaming } from "../src/driver/snapshots.ts";
import { thrownBy } from "./connect.ts";
import { CLUSTER_ID, machineSpec, ownerOf, withDriver } from "./fleet.ts";
import { contents, machines, OTHER_CLUSTER, only, taken } from "./pool-contents.ts";

const KEPT = checkpointNaming("before");

/** An agent whose log has only the reservations of these fences. */
function withFences(fences: readonly number[], owner = ownerOf("test")): MachineOwner {
  return {
    ...owner,
    reservationOf: async (vmId, fence) =>
      fences.includes(fence) ? owner.reservationOf(vmId, fence) : undefined,
  };
}

const causes = (driver: XcpngDriver) =>
  driver.orphans?.().map(({ vmId, cause, state }) => `${vmId} ${cause} ${state}`);

describe("machines of other owners", () => {
  it.each([
    ["another BioXen", ownerOf("test", OTHER_CLUSTER), "cluster"],
    ["another agent of this BioXen", ownerOf("elsewhere"), "agent"],
    ["a log that does not have their reservations", withFences([]), "log"],
  ] as const)("are orphans for %s, which changes nothing of them", async (_who, owner, cause) => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.start(machineSpec("x2", 11));
      await driver.stop("x2", 11);
      await driver.snapshots?.take("x1", 10, "kept");
      await driver.close();
      const before = contents(fake);
      const stranger = again({ owner });
      await stranger.whenReady();
      expect([stranger.list(), stranger.kept(), stranger.snapshots?.list()]).toEqual([[], [], []]);
      expect(causes(stranger)?.sort()).toEqual([`x1 ${cause} running`, `x2 ${cause} halted`]);
      await stranger.stop("x1", 20);
      await stranger.discard("x1", 1);
      await stranger.discard("x2", 1);
      expect(contents(fake)).toEqual(before);
    });
  });

  it("stay beside a new machine of a VM with the same id", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      const [ref] = only(fake, "x1");
      await driver.close();
      const other = again({ owner: ownerOf("test", OTHER_CLUSTER) });
      await other.start(machineSpec("x1", 10));
      expect(machines(fake, "x1")).toHaveLength(2);
      await other.stop("x1", 10);
      await other.discard("x1", 1);
      expect(only(fake, "x1")[0]).toBe(ref);
      expect(only(fake, "x1")[1]["power_state"]).toBe("Running");
    });
  });

  it("include a machine of a lost part of the log, even if the log later has a reservation with the same fence", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.close();
      const reservationOf = async () => "another-event";
      const next = again({ owner: { clusterId: CLUSTER_ID, agentId: "test", reservationOf } });
      await next.start(machineSpec("x1", 10));
      expect(machines(fake, "x1")).toHaveLength(2);
      expect(causes(next)).toEqual(["x1 log running"]);
    });
  });
});

describe("a machine whose owner has changed since the driver read it", () => {
  const isRefused = async (fake: FakeXapi, call: () => Promise<unknown> | undefined): Promise<void> => {
    const keys = taken(fake, "x1");
    const before = contents(fake);
    const error = await thrownBy(call() as Promise<unknown>);
    expect(driverErrorCode(error)).toBe("UNAVAILABLE");
    expect(error.message).toContain("does not belong to this agent");
    expect(contents(fake)).toEqual(before);
    await fake.outside("VM.set_other_config", only(fake, "x1")[0], keys);
  };

  it.each<[string, (driver: XcpngDriver) => Promise<unknown> | undefined]>([
    ["pause", (driver) => driver.pause("x1", 10)],
    ["resize", (driver) => driver.resize("x1", 10, { vcpus: 1, memoryMiB: 1_024 })],
    ["snapshot", (driver) => driver.snapshots?.take("x1", 10, "kept")],
    ["restore", (driver) => driver.restart(machineSpec("x1", 10, { checkpoint: KEPT, restores: 1 }))],
    ["stop", (driver) => driver.stop("x1", 10)],
    ["removal of a snapshot", (driver) => driver.snapshots?.drop("x1", "before")],
    ["start for a newer reservation", (driver) => driver.start(machineSpec("x1", 11))],
  ])("and that runs is not touched by a %s", async (_verb, call) => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.snapshots?.take("x1", 10, "before");
      await isRefused(fake, () => call(driver));
      await eventually(
        "the driver has seen the change",
        () => driver.list().every(({ state }) => state === "failed") || undefined,
      );
    });
  });

  it.each<[string, (driver: XcpngDriver) => Promise<unknown> | undefined]>([
    ["start", (driver) => driver.start(machineSpec("x1", 11))],
    [
      "start of a restored VM",
      (driver) => driver.start(machineSpec("x1", 11, { checkpoint: KEPT, restores: 1 })),
    ],
    [
      "start with another size",
      (driver) => driver.start(machineSpec("x1", 11, { allocation: { vcpus: 1, memoryMiB: 512 } })),
    ],
    ["start of a newer incarnation", (driver) => driver.start(machineSpec("x1", 11, { incarnation: 2 }))],
    ["removal", (driver) => driver.discard("x1", 1)],
    ["removal of a snapshot", (driver) => driver.snapshots?.drop("x1", "before")],
  ])("and that is kept for the next start is not touched by a %s", async (_verb, call) => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.snapshots?.take("x1", 10, "before");
      await driver.stop("x1", 10);
      await isRefused(fake, () => call(driver));
      await eventually("the driver has seen the change", () => driver.kept().length === 0 || undefined);
      expect(driver.orphans?.()).toMatchObject([{ vmId: "x1", cause: "cluster", state: "halted" }]);
    });
  });
});

describe("a machine of a release before clusters had ids", () => {
  const downgrade = async (fake: FakeXapi, vmId: string) => {
    const [ref, { other_config }] = only(fake, vmId);
    const { "bioxen:cluster": _c, "bioxen:reservation": _r, ...old } = other_config;
    await fake.outside("VM.set_other_config", ref, old);
    await fake.outside("VM.set_name_label", ref, `bioxen/test/${vmId}/10/00000000`);
  };

  it("is taken over while it runs if the log has its reservation", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.close();
      await downgrade(fake, "x1");
      const next = again();
      await next.whenReady();
      expect(next.list()).toMatchObject([{ vmId: "x1", fence: 10, state: "running" }]);
      await eventually("the machine has the present keys and name", () => {
        const [, vm] = only(fake, "x1");
        const hasKeys =
          vm.other_config["bioxen:cluster"] === CLUSTER_ID && vm.other_config["bioxen:ran"] === "10";
        return (hasKeys && String(vm["name_label"]).startsWith("BioXen x1 ")) || undefined;
      });
      expect(only(fake, "x1")[1]["power_state"]).toBe("Running");
    });
  });

  it("is an orphan if the log does not have its reservation", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.close();
      await downgrade(fake, "x1");
      const before = contents(fake);
      const next = again({ owner: withFences([11]) });
      await next.whenReady();
      expect(next.orphans?.()).toMatchObject([{ vmId: "x1", clusterId: null, agentId: "test" }]);
      expect(contents(fake)).toEqual(before);
    });
  });
});

describe("an operator's decision about an orphan", () => {
  it("adopts it while it runs, with the VM's new id, fence and labels", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      const [ref, { uuid }] = only(fake, "x1");
      await driver.close();
      await fake.outside("VM.add_tags", ref, `bioxen-restored-2-${String(uuid).slice(0, 8)}`);
      const next = again({ owner: ownerOf("test", OTHER_CLUSTER) });
      await next.whenReady();
      const refused = await thrownBy(next.start(machineSpec("y1", 20, { config: { machine: "none" } })));
      expect(refused.message).toContain("the pool has no machine none");
      const domain = fake.pool.db.get("VM", ref)["domid"];
      await next.start(machineSpec("y1", 21, { config: { machine: uuid } }));
      expect(only(fake, "y1")[0]).toBe(ref);
      expect(fake.pool.db.get("VM", ref)).toMatchObject({ power_state: "Running", domid: domain });
      expect(next.list()).toEqual([{ vmId: "y1", fence: 21, restores: 0, state: "running" }]);
      const again1 = await thrownBy(next.start(machineSpec("z1", 22, { config: { machine: uuid } })));
      expect(again1.message).toContain("it belongs to this agent already");
      const labels = fake.pool.db.get("VM", ref);
      expect(labels["name_label"]).toBe(`BioXen y1 (xcpng-1, ${OTHER_CLUSTER})`);
      expect(labels["tags"]).toEqual(["bioxen", `bioxen-cluster-${OTHER_CLUSTER}`]);
      expect(labels["name_description"]).toContain("Do not change it here");
      await next.stop("y1", 21);
      await next.discard("y1", 1);
      expect(machines(fake, "y1")).toEqual([]);
    });
  });

  it("takes it from an owner that still runs: the owner observes a deletion, and its guest has failed", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      const seen: string[] = [];
      driver.onGuestEvent((event) => void (event.kind === "observed" && seen.push(event.seen)));
      await driver.start(machineSpec("x1", 10));
      const [ref, { uuid }] = only(fake, "x1");
      const next = again({ owner: ownerOf("test", OTHER_CLUSTER) });
      await next.whenReady();
      await next.start(machineSpec("y1", 21, { config: { machine: uuid } }));
      await eventually("the owner has lost it", () => seen.length > 0 || undefined);
      expect(seen).toEqual(["deleted"]);
      expect(driver.list()).toMatchObject([{ vmId: "x1", fence: 10, state: "failed" }]);
      await driver.stop("x1", 10);
      await driver.discard("x1", 1);
      expect(fake.pool.db.get("VM", ref)).toMatchObject({ power_state: "Running" });
      expect(next.list()).toMatchObject([{ vmId: "y1", state: "running" }]);
    });
  });

  it("adopts a halted one at the VM's first start: the same machine boots with its disk and the VM's size", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.stop("x1", 10);
      const [ref, { uuid, VBDs }] = only(fake, "x1");
      await driver.close();
      const next = again({ owner: ownerOf("test", OTHER_CLUSTER) });
      await next.whenReady();
      expect(next.orphans?.()).toMatchObject([{ uuid, vmId: "x1", state: "halted", cause: "cluster" }]);
      const before = fake.counts();
      const allocation = { vcpus: 1, memoryMiB: 512 };
      await next.start(machineSpec("y1", 21, { allocation, config: { machine: uuid } }));
      expect(only(fake, "y1")).toEqual([
        ref,
        expect.objectContaining({
          uuid,
          VBDs,
          power_state: "Running",
          VCPUs_at_startup: 1,
          memory_dynamic_max: 512 * MIB,
          name_label: `BioXen y1 (xcpng-1, ${OTHER_CLUSTER})`,
        }),
      ]);
      expect(only(fake, "y1")[1].other_config).toMatchObject({ "bioxen:fence": "21", "bioxen:ran": "21" });
      expect(only(fake, "y1")[1]["xenstore_data"]).toMatchObject({ "vm-data/bioxen/vm-id": "y1" });
      expect(next.list()).toEqual([{ vmId: "y1", fence: 21, restores: 0, state: "running" }]);
      expect({ ...fake.counts(), tasks: 0 }).toEqual({ ...before, tasks: 0 });
      await next.stop("y1", 21);
      await next.start(machineSpec("y1", 22, { config: { machine: uuid } }));
      expect(only(fake, "y1")[0]).toBe(ref);
    });
  });

  it("claims it under its uuid, so that it ends like a guest of no VM and leaves nothing", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      const { sessions: _, ...empty } = fake.counts();
      await driver.start(machineSpec("x1", 10));
      await driver.snapshots?.take("x1", 10, "kept");
      const uuid = String(only(fake, "x1")[1]["uuid"]);
      await driver.close();
      const next = again({ owner: ownerOf("test", OTHER_CLUSTER) });
      await next.whenReady();
      await next.claimOrphan?.(uuid);
      await next.claimOrphan?.(uuid);
      expect(next.list()).toMatchObject([{ vmId: uuid, state: "running" }]);
      await next.stop(uuid, 1);
      await next.discard(uuid, 1);
      await eventually("nothing is left", () => {
        const { sessions, ...now } = fake.counts();
        return JSON.stringify(now) === JSON.stringify(empty) || undefined;
      });
    });
  });
});
