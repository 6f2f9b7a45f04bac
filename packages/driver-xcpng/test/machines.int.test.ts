/**
 * What the driver creates in the pool for a guest, and that nothing is left after its removal.
 */

import { type FakeXapi, MIB, TEMPLATE_NAME } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { driverErrorCode, type GuestSpec } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import { thrownBy } from "./connect.ts";
import { machineSpec, ownerOf, withDriver } from "./fleet.ts";

const fresh = (fake: FakeXapi) => ({ ...fake.counts(), tasks: 0, sessions: 0 });

function machine(fake: FakeXapi, vmId: string): Record<string, unknown> & { readonly ref: string } {
  const found = fake.pool.db.all("VM").find(([, vm]) => {
    const config = vm["other_config"] as Record<string, string>;
    return config["bioxen:vm-id"] === vmId && vm["is_a_snapshot"] !== true;
  });
  if (found === undefined) throw new Error(`the pool has no ${vmId}`);
  return { ...found[1], ref: found[0] };
}

async function noTaskIsLeft(fake: FakeXapi): Promise<void> {
  await eventually("no task is left", () => fake.counts().tasks === 0 || undefined);
}

describe("a machine's life in the pool", () => {
  it("starts as a clone with keys, sizes and shares; a stop keeps its disk; discard leaves nothing", async () => {
    await withDriver(async ({ fake, driver }) => {
      const before = fresh(fake);
      const spec: GuestSpec = machineSpec("x1", 10, {
        priority: 3,
        config: { cpuSharePercent: 50, maxVcpus: 4 },
      });
      await driver.start(spec);
      const vm = machine(fake, "x1");
      expect(vm).toMatchObject({
        power_state: "Running",
        is_a_template: false,
        memory_static_max: 2_048 * MIB,
        memory_dynamic_min: 2_048 * MIB,
        VCPUs_at_startup: 2,
        VCPUs_max: 4,
        VCPUs_params: { weight: "1024", cap: "100" },
        other_config: { "bioxen:fence": "10", "bioxen:incarnation": "1", "bioxen:ran": "10" },
      });
      expect(fake.counts()).toMatchObject({
        vms: before.vms + 1,
        vdis: before.vdis + 1,
        templates: before.templates,
      });
      const [disk] = fake.pool.db.all("VDI").slice(-1);
      await driver.stop("x1", 10);
      expect(machine(fake, "x1")["power_state"]).toBe("Halted");
      expect([driver.list(), driver.kept()]).toEqual([[], [{ vmId: "x1", incarnation: 1, fence: 10 }]]);
      await driver.start(machineSpec("x1", 12, { allocation: { vcpus: 1, memoryMiB: 512 } }));
      expect(machine(fake, "x1")).toMatchObject({
        uuid: vm["uuid"],
        VCPUs_max: 1,
        memory_static_max: 512 * MIB,
      });
      expect(fake.pool.db.find("VDI", disk?.[0] ?? ""), "its disk is still the same").toBeDefined();
      expect(driverErrorCode(await thrownBy(driver.discard("x1", 1)))).toBe("INVALID_STATE");
      await driver.stop("x1", 12);
      await driver.discard("x1", 1);
      await driver.discard("x1", 1);
      expect(driver.kept()).toEqual([]);
      await noTaskIsLeft(fake);
      expect({ ...fake.counts(), sessions: 0 }).toEqual(before);
    });
  });

  it("a stop shuts the machine down within its deadline, then switches it off; force cuts that short", async () => {
    await withDriver(async ({ fake, driver }) => {
      const shutdowns = () =>
        ["clean", "hard"].map((how) => fake.statistics.byMethod.get(`Async.VM.${how}_shutdown`) ?? 0);
      fake.faults.switches.guestsIgnoreShutdown = true;
      await driver.start(machineSpec("x1", 10));
      await driver.stop("x1", 10, { graceMs: 50 });
      expect([machine(fake, "x1")["power_state"], shutdowns()]).toEqual(["Halted", [1, 1]]);
      await driver.start(machineSpec("x1", 11));
      await driver.stop("x1", 11, { graceMs: 0 });
      expect(shutdowns(), "without a grace there is no clean shutdown").toEqual([1, 2]);
      await driver.start(machineSpec("x1", 12));
      const patient = driver.stop("x1", 12);
      await eventually("the shutdown begins", () => shutdowns()[0] === 2 || undefined);
      await Promise.all([patient, driver.stop("x1", 12, { graceMs: 0 })]);
      expect(shutdowns()).toEqual([2, 3]);
      fake.faults.switches.guestsIgnoreShutdown = false;
      await driver.start(machineSpec("x1", 13, { config: { shutdown: "hard" } }));
      await driver.stop("x1", 13, { graceMs: 60_000 });
      expect(shutdowns(), "a deadline goes before the machine's own setting").toEqual([3, 3]);
    });
  });

  it("a new incarnation gets new disks, and the old ones are removed", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      const { uuid } = machine(fake, "x1");
      await driver.stop("x1", 10);
      await driver.start(machineSpec("x1", 20, { incarnation: 2 }));
      expect(machine(fake, "x1")["uuid"]).not.toBe(uuid);
      expect(fake.counts()).toMatchObject({ vms: 1, vdis: 2 });
    });
  });

  it("destroying removes its own disks and snapshots, but not a shared disk or another user's copy", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      const { ref } = machine(fake, "x1");
      await fake.outside("VM.snapshot", ref, "before the upgrade");
      await fake.outside("VM.checkpoint", ref, "with its memory");
      await driver.stop("x1", 10);
      const copy = String(await fake.outside("VM.clone", ref, "my own copy"));
      await eventually(
        "the copy is known and does not count as BioXen's",
        () => driver.kept().length === 1 || undefined,
      );
      const [shared] = fake.pool.db.all("VDI").slice(-1);
      const other = fake.pool.addVm({ name_label: "other" });
      const vbd = fake.pool.db.add("VBD", { VM: other, VDI: shared?.[0], type: "Disk" });
      fake.pool.link("VM", other, "VBDs", vbd);
      fake.pool.link("VDI", shared?.[0] ?? "", "VBDs", vbd);
      await driver.discard("x1", 1);
      expect(fake.pool.db.find("VM", copy), "the copy is still there").toBeDefined();
      expect(fake.counts()).toMatchObject({ snapshots: 0, vms: 2, vdis: 2 });
    });
  });

  it("a machine that outlives its driver is found by the next one, with its fence", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.start(machineSpec("x2", 11));
      await driver.stop("x2", 11);
      await driver.close();
      expect(machine(fake, "x1")["power_state"]).toBe("Running");
      const next = again();
      await next.whenReady();
      expect(next.list()).toEqual([{ vmId: "x1", fence: 10, restores: 0, state: "running" }]);
      expect(next.kept()).toEqual([{ vmId: "x2", incarnation: 1, fence: 11 }]);
      expect(driverErrorCode(await thrownBy(next.start(machineSpec("x1", 9))))).toBe("STALE_FENCE");
      const stranger = again({ owner: ownerOf("elsewhere") });
      await stranger.whenReady();
      expect([stranger.list(), stranger.kept()]).toEqual([[], []]);
    });
  });

  it("a live resize stays within the machine's maxima, and the log says what needs a restart", async () => {
    await withDriver(async ({ fake, driver }) => {
      const lines: string[] = [];
      driver.onGuestEvent((event) => event.kind === "log" && lines.push(event.line));
      await driver.start(machineSpec("x1", 10, { config: { maxVcpus: 4 } }));
      await driver.resize("x1", 10, { vcpus: 3, memoryMiB: 1_024 });
      expect(machine(fake, "x1")["memory_dynamic_max"]).toBe(1_024 * MIB);
      expect(lines).toEqual([]);
      await driver.pause("x1", 10);
      await driver.resize("x1", 10, { vcpus: 8, memoryMiB: 4_096 });
      await driver.resume("x1", 10);
      expect(machine(fake, "x1")["memory_dynamic_max"]).toBe(2_048 * MIB);
      expect(lines).toEqual([
        "needs a restart: memory above 2048 MiB (its config.maxMemoryMiB)",
        "needs a restart: more than 4 vCPUs (its config.maxVcpus)",
      ]);
      await driver.stop("x1", 10);
      const allocation = { vcpus: 8, memoryMiB: 4_096 };
      await driver.start(machineSpec("x1", 20, { allocation, config: { maxVcpus: 4 } }));
      expect(machine(fake, "x1"), "the restart gives it all").toMatchObject({
        VCPUs_at_startup: 8,
        VCPUs_max: 8,
        memory_dynamic_max: 4_096 * MIB,
      });
    });
  });

  it("a suspended machine is a paused guest, and resumes", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      const lines: string[] = [];
      driver.onGuestEvent((event) => {
        if (event.kind === "log") lines.push(event.line);
        if (event.kind === "observed") lines.push(`${event.seen} at ${event.fence}`);
      });
      await fake.outside("VM.suspend", machine(fake, "x1").ref);
      // The inventory changes first, the events follow.
      await eventually("both events have arrived", () => lines.length >= 2 || undefined);
      expect(driver.list()[0]?.state).toBe("paused");
      expect(lines).toEqual(["suspended at 10", "changed in the pool, outside BioXen: suspended"]);
      await driver.resume("x1", 10);
      expect(machine(fake, "x1")["power_state"]).toBe("Running");
      await driver.pause("x1", 10);
      await driver.resume("x1", 10);
      await driver.stop("x1", 10);
      expect(lines, "the driver's own operations are not reported").toHaveLength(2);
    });
  });

  it("its first interface is on the configured network, its disk on the configured storage", async () => {
    await withDriver(async ({ fake, driver }) => {
      const network = fake.pool.db.add("network", { name_label: "lab" });
      await driver.start(machineSpec("x1", 10, { config: { network: "lab", storage: "Local storage" } }));
      const [vif = ""] = machine(fake, "x1")["VIFs"] as string[];
      expect(fake.pool.db.get("VIF", vif)).toMatchObject({ device: "0", network });
    });
  });
});

describe("a start that the driver or the pool rejects", () => {
  it.each([
    [
      { config: { template: "no-such" } },
      "BAD_REQUEST",
      /no template "no-such".*config\.template to one of bioxen-guest$/,
    ],
    [
      { config: { template: "a machine" } },
      "BAD_REQUEST",
      /"a machine" is a VM, not a template: shut it down/,
    ],
    [{ config: { network: "nowhere" } }, "BAD_REQUEST", /no network "nowhere"/],
    [{ config: { storage: "nowhere" } }, "BAD_REQUEST", /no storage repository "nowhere"/],
    [
      { config: { teleport: 1 }, allocation: { vcpus: 0 } },
      "BAD_REQUEST",
      /teleport.*vcpus must.*memoryMiB must/,
    ],
    [{ allocation: { vcpus: 1, memoryMiB: 500_000 } }, "CAPACITY_EXCEEDED", /no host of the pool/],
  ])("%j", async (fields, code, message) => {
    await withDriver(async ({ fake, driver }) => {
      fake.pool.addVm({ name_label: "a machine" });
      const before = fresh(fake);
      await new Promise((resolve) => setImmediate(resolve));
      await eventually("the error is the expected one", async () => {
        const error = await thrownBy(driver.start(machineSpec("x1", 10, fields)));
        return driverErrorCode(error) === code && message.test(error.message) ? true : undefined;
      });
      await noTaskIsLeft(fake);
      expect([fresh(fake), driver.list(), driver.kept()]).toEqual([before, [], []]);
    });
  });

  it("leaves nothing in a full pool, and succeeds with the same fence once the pool has room", async () => {
    await withDriver(async ({ fake, driver }) => {
      const before = fresh(fake);
      for (const trouble of ["storageFull", "noMemory"] as const) {
        fake.faults.switches[trouble] = true;
        expect(driverErrorCode(await thrownBy(driver.start(machineSpec("x1", 10))))).toBe(
          "CAPACITY_EXCEEDED",
        );
        await noTaskIsLeft(fake);
        expect(fresh(fake)).toEqual(before);
        fake.faults.switches[trouble] = false;
      }
      await driver.start(machineSpec("x1", 10));
      expect(driver.list()).toHaveLength(1);
    });
  });
});

describe("measuring", () => {
  it("a sample has uptime, load, memory and address; after a NaN, load and memory are null and the address stays", async () => {
    await withDriver(
      async ({ fake, driver }) => {
        await driver.start(machineSpec("x1", 10));
        const seen = await eventually("a measurement", () => {
          const sample = driver.sample("x1");
          const { cpuPermille = null, address = null } = sample?.machine ?? {};
          return cpuPermille === null || address === null ? undefined : sample;
        });
        expect(seen).toMatchObject({ health: 100 });
        for (const ofCells of ["growthRatePerMinute", "doublingTimeMinutes", "ribosomes", "atp", "divisions"])
          expect(seen).not.toHaveProperty(ofCells);
        expect(seen.machine).toMatchObject({
          vcpus: 2,
          memoryMiB: 2_048,
          address: "10.0.0.3",
          host: "host-1",
        });
        expect(seen.machine?.cpuPermille).toBeGreaterThan(0);
        expect(seen.machine?.memoryUsedMiB).toBeLessThan(2_048);
        fake.faults.switches.nanStatistics = true;
        const unmeasured = await eventually("NaN", () => {
          const sample = driver.sample("x1");
          return sample?.machine?.cpuPermille === null ? sample : undefined;
        });
        expect(unmeasured.machine).toMatchObject({ memoryUsedMiB: null, address: "10.0.0.3" });
      },
      {},
      { statisticsIntervalMs: 50 },
    );
  });

  it("the capacity is that of the hosts minus Xen, control domains and other users' machines", async () => {
    await withDriver(
      async ({ fake, driver }) => {
        const perHost = 16_384 - 256 - 1_024;
        const offered = (memoryMiB: number) => Math.floor(memoryMiB * 0.98);
        expect(await driver.capacity()).toMatchObject({ vcpus: 16, memoryMiB: 2 * offered(perHost) });
        await driver.start(machineSpec("x1", 10));
        expect(
          (await driver.capacity()).memoryMiB,
          "own machines do not reduce it: the ledger counts them",
        ).toBe(2 * offered(perHost));
        const other = String(await fake.outside("VM.clone", template(fake), "other"));
        await fake.outside("VM.provision", other);
        await fake.outside("VM.start", other, false, false);
        await eventually("another user's machine reduces it", async () => {
          const { memoryMiB } = await driver.capacity();
          return memoryMiB === offered(perHost) + offered(perHost - 1_024 - 12) || undefined;
        });
        const [host = ""] = fake.pool.db.all("host").map(([ref]) => ref);
        fake.pool.db.update("host", host, { enabled: false });
        expect((await driver.capacity()).vcpus).toBe(8);
      },
      { cpusPerHost: 8, memoryMiBPerHost: 16_384 },
    );
  });
});

function template(fake: FakeXapi): string {
  return fake.pool.db.all("VM").find(([, vm]) => vm["name_label"] === TEMPLATE_NAME)?.[0] ?? "";
}
