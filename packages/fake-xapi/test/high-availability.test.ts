/**
 * High availability of the fake pool, as in xapi_ha_vm_failover.ml of xapi-project/xen-api (commit e2ee48d).
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeXapi, type FakeXapi, MIB, TEMPLATE_NAME } from "../src/index.ts";

let fake: FakeXapi;
const call = (method: string, ...args: readonly unknown[]) => fake.outside(method, ...args);
const record = (vm: string) => fake.pool.db.get("VM", vm);
const hostOf = (name: string) =>
  fake.pool.db.all("host").find(([, host]) => host["name_label"] === name)?.[0] ?? "";

beforeEach(async () => {
  fake = await createFakeXapi({ hosts: 2, memoryMiBPerHost: 16_384 });
});
afterEach(() => fake.close());

const setPool = (fields: object) => fake.pool.db.update("pool", fake.pool.ref, { ...fields });

/** Starts a VM on host-1 with this restart priority and memory. */
async function runningWith(priority: string, memoryMiB = 1_024): Promise<string> {
  const template = fake.pool.db.all("VM").find(([, one]) => one["name_label"] === TEMPLATE_NAME)?.[0];
  const vm = String(await call("VM.clone", template, "m"));
  await call("VM.provision", vm);
  const bytes = memoryMiB * MIB;
  await call("VM.set_memory_limits", vm, 0, bytes, bytes, bytes);
  fake.pool.db.update("VM", vm, { ha_restart_priority: priority });
  await call("VM.start", vm, false, false);
  fake.pool.db.update("VM", vm, { resident_on: hostOf("host-1") });
  return vm;
}

describe("a host that fails (`restart_auto_run_vms`)", () => {
  it("without high availability leaves the records of its VMs as they are", async () => {
    const vm = await runningWith("restart");
    await fake.failHost("host-1");
    expect(record(vm)).toMatchObject({ power_state: "Running", resident_on: hostOf("host-1") });
  });

  it("has its protected and best-effort VMs restarted elsewhere, the protected ones first; others stay halted", async () => {
    const bestEffort = await runningWith("best-effort");
    const [isProtected, other] = [await runningWith("restart"), await runningWith("")];
    setPool({ ha_enabled: true });
    await fake.failHost("host-1");
    const on2 = { power_state: "Running", resident_on: hostOf("host-2") };
    expect([record(isProtected), record(bestEffort)]).toMatchObject([on2, on2]);
    expect(Number(record(isProtected)["domid"])).toBeLessThan(Number(record(bestEffort)["domid"]));
    expect(record(other)).toMatchObject({ power_state: "Halted", resident_on: "OpaqueRef:NULL" });
  });

  it("leaves a protected VM halted that was not started since a revert, or that no host can run", async () => {
    const [reverted, large] = [await runningWith("restart"), await runningWith("restart", 12_000)];
    // A revert clears the flag, and the next start sets it (xapi_vm_snapshot.ml, `overrides`).
    await call("VM.hard_shutdown", reverted);
    expect(record(reverted)["ha_always_run"], "a shutdown clears it too").toBe(false);
    await call("VM.start", reverted, false, false);
    expect(record(reverted)["ha_always_run"]).toBe(true);
    fake.pool.db.update("VM", reverted, { ha_always_run: false, resident_on: hostOf("host-1") });
    const filler = { power_state: "Running", resident_on: hostOf("host-2"), memory_dynamic_max: 8_000 * MIB };
    fake.pool.addVm(filler);
    setPool({ ha_enabled: true });
    await fake.failHost("host-1");
    expect([record(reverted)["power_state"], record(large)["power_state"]]).toEqual(["Halted", "Halted"]);
  });
});

describe("the failover plan (`assert_configuration_change_preserves_ha_plan`)", () => {
  const start = async (vm: string) => {
    await call("VM.hard_shutdown", vm);
    return call("VM.start", vm, false, false).then(
      () => "done",
      (thrown: { code: string }) => thrown.code,
    );
  };
  const BROKEN = "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN";

  it("refuses a start that leaves no room for the protected VMs of a host that fails", async () => {
    const late = await runningWith("", 6_000);
    await call("VM.hard_shutdown", late);
    await runningWith("restart", 12_000);
    fake.pool.db.update("VM", late, { power_state: "Running", resident_on: hostOf("host-1") });
    setPool({ ha_enabled: true, ha_plan_exists_for: 1, ha_allow_overcommit: false });
    expect(await start(late)).toBe(BROKEN);
    setPool({ ha_allow_overcommit: true });
    fake.pool.db.update("VM", late, { power_state: "Running" });
    expect(await start(late), "the pool allows it").toBe("done");
    setPool({ ha_allow_overcommit: false });
    fake.pool.db.update("VM", late, { resident_on: hostOf("host-1") });
    expect(await start(late)).toBe(BROKEN);
    setPool({ ha_enabled: false });
    fake.pool.db.update("VM", late, { power_state: "Running" });
    expect(await start(late), "it is off").toBe("done");
  });

  it("refuses nothing once the plan is broken already", async () => {
    const late = await runningWith("", 1_024);
    await runningWith("restart", 12_000);
    const other = await runningWith("", 6_000);
    fake.pool.db.update("VM", other, { resident_on: hostOf("host-2") });
    setPool({ ha_enabled: true, ha_plan_exists_for: 1 });
    expect(await start(late), "there is no plan that it could break").toBe("done");
  });
});
