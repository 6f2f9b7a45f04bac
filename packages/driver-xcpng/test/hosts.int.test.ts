/**
 * What a pool offers, by host: maintenance mode, other users' machines, and the memory that high availability keeps.
 */
import { type FakeXapi, MIB } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { describe, expect, it } from "vitest";
import { thrownBy } from "./connect.ts";
import { machineSpec, withDriver } from "./fleet.ts";

/** Memory of a host of the fake without that of Xen and the control domain, MiB. */
const perHost = (memoryMiB: number) => memoryMiB - 256 - 1_024;
const offered = (memoryMiB: number) => Math.floor(memoryMiB * 0.98);
const HOST_MIB = 16_384;
const OPTIONS = { hosts: 3, memoryMiBPerHost: HOST_MIB };

const hostRef = (fake: FakeXapi, name: string) =>
  fake.pool.db.all("host").find(([, host]) => host["name_label"] === name)?.[0] ?? "";

/** Adds a running machine of another user on a host. */
function foreign(fake: FakeXapi, host: string, memoryMiB: number, fields: object = {}): string {
  const memory = memoryMiB * MIB;
  return fake.pool.addVm({
    power_state: "Running",
    resident_on: hostRef(fake, host),
    memory_dynamic_max: memory,
    memory_static_max: memory,
    memory_overhead: 0,
    ...fields,
  });
}

describe("the capacity of a pool", () => {
  it("is given by host; a host in maintenance mode or down is left out", async () => {
    await withDriver(async ({ fake, driver }) => {
      const each = offered(perHost(HOST_MIB));
      expect((await driver.capacity()).hosts).toEqual(
        ["host-1", "host-2", "host-3"].map((name) => ({ name, vcpus: 16, memoryMiB: each })),
      );
      fake.pool.db.update("host", hostRef(fake, "host-2"), { enabled: false });
      const down = fake.pool.db.get("host", hostRef(fake, "host-3"))["metrics"] as string;
      fake.pool.db.update("host_metrics", down, { live: false });
      expect(await driver.capacity()).toEqual({
        vcpus: 16,
        memoryMiB: each,
        hosts: [{ name: "host-1", vcpus: 16, memoryMiB: each }],
      });
      expect(driver.freeHosts()?.map(({ name }) => name)).toEqual(["host-1"]);
    }, OPTIONS);
  });

  it("counts other users' machines always, and own ones only in the free memory", async () => {
    await withDriver(async ({ fake, driver }) => {
      foreign(fake, "host-1", 4_096);
      await driver.start(machineSpec("x1", 10, { allocation: { vcpus: 1, memoryMiB: 2_048 } }));
      const inAll = await eventually("the driver has read the foreign machine", async () => {
        const { hosts } = await driver.capacity();
        return hosts[0]?.memoryMiB === offered(perHost(HOST_MIB) - 4_096) ? hosts : undefined;
      });
      const where = driver.sample("x1")?.machine?.host;
      const free = driver.freeHosts() ?? [];
      for (const [i, { name, memoryMiB }] of inAll.entries()) {
        const own = name === where || where === null ? 2_048 + 12 : 0;
        const difference = memoryMiB - (free[i]?.memoryMiB ?? 0);
        expect([0, offered(own), offered(own) + 1]).toContain(difference);
      }
      const total = (rooms: readonly { memoryMiB: number }[]) =>
        rooms.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
      expect(total(inAll) - total(free)).toBeGreaterThanOrEqual(offered(2_048 + 12));
    }, OPTIONS);
  });

  it("leaves out the memory that high availability keeps for protected machines, of the hosts with most of it", async () => {
    await withDriver(async ({ fake, driver }) => {
      const isProtected = { ha_restart_priority: "restart", ha_always_run: true };
      foreign(fake, "host-1", 3_000, isProtected);
      foreign(fake, "host-2", 5_000, isProtected);
      foreign(fake, "host-3", 6_000, { ha_restart_priority: "best-effort" });
      const sum = (hosts: readonly { memoryMiB: number }[]) =>
        hosts.reduce((total, { memoryMiB }) => total + memoryMiB, 0);
      const without = await eventually("the driver has read the machines", async () => {
        const capacity = await driver.capacity();
        return capacity.memoryMiB < 3 * perHost(HOST_MIB) - 13_000 ? capacity : undefined;
      });
      expect(without.memoryMiB).toBe(sum(without.hosts));
      const setHa = (failures: number) =>
        fake.pool.db.update("pool", fake.pool.ref, {
          ha_enabled: true,
          ha_host_failures_to_tolerate: 2,
          ha_plan_exists_for: failures,
          ha_overcommitted: failures < 2,
        });
      setHa(1);
      const one = await driver.capacity();
      expect(one.memoryMiB).toBe(without.memoryMiB - offered(5_000));
      expect(one.hosts, "each host can still run a machine of its size").toEqual(without.hosts);
      expect(driver.failoverGap()).toEqual({ toTolerate: 2, planned: 1 });
      setHa(2);
      expect((await driver.capacity()).memoryMiB).toBe(without.memoryMiB - offered(8_000));
      expect(driver.failoverGap()).toBeUndefined();
      fake.pool.db.update("pool", fake.pool.ref, { ha_allow_overcommit: true });
      expect((await driver.capacity()).memoryMiB, "a pool that allows it refuses no start").toBe(
        without.memoryMiB,
      );
    }, OPTIONS);
  });
});

it("a pool whose only host is in maintenance mode refuses a start for lack of room, and keeps nothing", async () => {
  await withDriver(
    async ({ fake, driver }) => {
      const before = { ...fake.counts(), tasks: 0, sessions: 0 };
      fake.pool.db.update("host", hostRef(fake, "host-1"), { enabled: false });
      expect(await thrownBy(driver.start(machineSpec("x1", 10)))).toMatchObject({
        code: "CAPACITY_EXCEEDED",
        hostCode: "NO_HOSTS_AVAILABLE",
      });
      await eventually("nothing is left", () => {
        const now = { ...fake.counts(), tasks: 0, sessions: 0 };
        return JSON.stringify(now) === JSON.stringify(before) || undefined;
      });
    },
    { hosts: 1 },
  );
});

it("a start that would break the pool's failover plan is refused for lack of room, unless the pool allows it", async () => {
  await withDriver(async ({ fake, driver }) => {
    foreign(fake, "host-1", 6_000, { ha_restart_priority: "restart", ha_always_run: true });
    const setHa = (allows: boolean) =>
      fake.pool.db.update("pool", fake.pool.ref, {
        ha_enabled: true,
        ha_host_failures_to_tolerate: 1,
        ha_plan_exists_for: 1,
        ha_allow_overcommit: allows,
      });
    foreign(fake, "host-1", 8_000);
    // The hosts that stay have about 6 200 MiB free together: enough for the protected machine, and not for a new one too.
    for (const name of ["host-2", "host-3"]) foreign(fake, name, 12_000);
    setHa(false);
    expect(await thrownBy(driver.start(machineSpec("x1", 10)))).toMatchObject({
      code: "CAPACITY_EXCEEDED",
      hostCode: "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN",
    });
    setHa(true);
    await driver.start(machineSpec("x1", 11));
  }, OPTIONS);
});
