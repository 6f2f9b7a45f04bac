/**
 * Restarts of machines by the pool's high availability: the driver follows them, and fights none.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import type { GuestEvent } from "@bioxen/vm-driver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { driverOf, machineSpec } from "./fleet.ts";

let fake: FakeXapi;
let driver: XcpngDriver;
let events: GuestEvent[];

beforeEach(async () => {
  fake = await createFakeXapi({ hosts: 2, operationMs: 50 });
  driver = driverOf(fake);
  events = [];
  driver.onGuestEvent((event) => events.push(event));
  await driver.whenReady();
});
afterEach(async () => {
  await driver.close();
  await fake.close();
});

const machine = () => {
  const found = fake.pool.db.all("VM").find(([, vm]) => {
    const config = vm["other_config"] as Record<string, string>;
    return config["bioxen:vm-id"] === "x1";
  });
  if (found === undefined) throw new Error("the pool has no x1");
  return { ref: found[0], record: found[1] };
};
const hostName = () =>
  String(fake.pool.db.get("host", String(machine().record["resident_on"]))["name_label"]);
const seen = () => events.flatMap((event) => (event.kind === "observed" ? [event.seen] : []));

/** Starts `x1` with this restart priority on a pool with or without high availability; returns the name of its host. */
async function running(priority: string, haEnabled: boolean): Promise<string> {
  await driver.start(machineSpec("x1", 10));
  fake.pool.db.update("pool", fake.pool.ref, { ha_enabled: haEnabled });
  const ha_always_run = priority === "restart";
  fake.pool.db.update("VM", machine().ref, { ha_restart_priority: priority, ha_always_run });
  // The driver has read both changes once it has read a later one.
  fake.pool.db.update("VM", machine().ref, { name_description: "protected" });
  const before = fake.statistics.byMethod.get("VM.get_record") ?? 0;
  fake.pool.db.update("VM", machine().ref, { tags: ["read"] });
  await eventually(
    "the driver reads the machine",
    () => (fake.statistics.byMethod.get("VM.get_record") ?? 0) > before || undefined,
  );
  return hostName();
}

describe.each(["restart", "best-effort"])("a machine with the priority %s whose host fails", (priority) => {
  it("runs on, on another host; the driver reports one move and starts nothing", async () => {
    const from = await running(priority, true);
    const starts = fake.statistics.byMethod.get("Async.VM.start");
    const states = new Set<string>();
    driver.onGuestEvent(() => states.add(driver.guest?.("x1")?.state ?? "none"));
    await fake.failHost(from);
    await eventually("the driver has seen the restart", () => seen().length > 0 || undefined);
    const to = hostName();
    expect(to).not.toBe(from);
    expect(events.filter(({ kind }) => kind === "observed")).toMatchObject([
      { seen: "moved", fromHost: from, toHost: to },
    ]);
    expect([...states], "it never counts as failed").toEqual(["running"]);
    expect(driver.list()).toEqual([{ vmId: "x1", fence: 10, restores: 0, state: "running" }]);
    expect(fake.statistics.byMethod.get("Async.VM.start")).toBe(starts);
  });
});

it("a machine that a user of the pool shuts down has failed at once, although it is protected", async () => {
  await running("restart", true);
  await fake.outside("VM.hard_shutdown", machine().ref);
  await eventually("the driver has seen it", () => seen().includes("halted") || undefined);
  expect(driver.guest?.("x1")?.state).toBe("failed");
});

it("a machine without a restart priority has failed when its host fails", async () => {
  const from = await running("", true);
  await fake.failHost(from);
  await eventually("the driver has seen it", () => seen().includes("halted") || undefined);
  expect(driver.guest?.("x1")?.state).toBe("failed");
});

it("a machine that the pool does not restart in time has failed then, and not before", async () => {
  await driver.close();
  driver = driverOf(fake, { haRestartMs: 600 });
  driver.onGuestEvent((event) => events.push(event));
  await driver.whenReady();
  const from = await running("restart", true);
  const only = fake.pool.db.all("host").find(([, host]) => host["name_label"] !== from)?.[0] ?? "";
  fake.pool.db.update("host", only, { enabled: false });
  const failedAtMs = Date.now();
  await fake.failHost(from);
  await eventually("the driver has read it", () => machine().record["power_state"] === "Halted" || undefined);
  expect([driver.guest?.("x1")?.state, seen()]).toEqual(["running", []]);
  await eventually("the driver gives up", () => seen().length > 0 || undefined);
  expect(Date.now() - failedAtMs).toBeGreaterThanOrEqual(600);
  expect(driver.guest?.("x1")).toMatchObject({ state: "failed", reason: expect.stringContaining("halted") });
  expect(events.filter(({ kind }) => kind === "observed" || kind === "failed")).toMatchObject([
    { kind: "observed", seen: "halted" },
    { kind: "failed", vmId: "x1", fence: 10 },
  ]);
});

it("a stop ends a machine that waits for its restart", async () => {
  const from = await running("restart", true);
  fake.faults.add({ kind: "refuse", method: "VM.start", code: "NO_HOSTS_AVAILABLE" });
  const only = fake.pool.db.all("host").find(([, host]) => host["name_label"] !== from)?.[0] ?? "";
  fake.pool.db.update("host", only, { enabled: false });
  await fake.failHost(from);
  await eventually("the driver has read it", () => machine().record["power_state"] === "Halted" || undefined);
  expect(driver.guest?.("x1")?.state).toBe("running");
  await driver.stop("x1", 10);
  expect(driver.list()).toEqual([]);
});
