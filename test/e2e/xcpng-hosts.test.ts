/**
 * Placement on the hosts inside a pool: a VM that fits no host is not placed, and starts when a host has room.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const PASSWORD = "only-the-agent-may-know";
/** Time limit for one test, ms: on a busy machine, the stack and its commands are slow. */
const TIMEOUT_MS = 300_000;
/** Memory of each of the two hosts, MiB: room for one VM of `LARGE`, and not for two. */
const HOST_MIB = 8_192;
const LARGE = { vcpus: 1, memoryMiB: 4_000 };
let fake: FakeXapi;
let world: World;

beforeAll(async () => {
  fake = await createFakeXapi({ password: PASSWORD, memoryMiBPerHost: HOST_MIB });
  process.env["BIOXEN_XCPNG_PASSWORD"] = PASSWORD;
  world = await World.open({
    chassis: "ecoli:1",
    xcpng: { url: fake.url, fingerprint: fake.fingerprint },
  });
});
afterAll(async () => {
  await world.close();
  delete process.env["BIOXEN_XCPNG_PASSWORD"];
  await fake.close();
});

const create = (vmId: string, resources: Json) =>
  world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng", resources });
const starts = () => fake.statistics.byMethod.get("Async.VM.start") ?? 0;

describe("a VM on a pool of two hosts", { timeout: TIMEOUT_MS }, () => {
  it("that fits no host is refused, although it fits the sum", async () => {
    const { chassis } = await world.done("qry.chassis.get", { chassisId: "xcpng-1" });
    expect(chassis.hosts.map(({ name }: Json) => name)).toEqual(["host-1", "host-2"]);
    const { memoryMiB } = chassis.hosts[0];
    await create("h0", { vcpus: 1, memoryMiB: memoryMiB + 1 });
    const refused = await world.ask("cmd.vm.start", { vmId: "h0" });
    expect(refused.ok).toBe(false);
    expect(refused.error.message).toContain(`${memoryMiB} MiB`);
    const { candidates } = await world.done("qry.placement.explain", { vmId: "h0" });
    const pool = candidates.find(({ chassisId }: Json) => chassisId === "xcpng-1");
    expect(pool.refusal).toMatchObject({ code: "CAPACITY_EXCEEDED", resource: "memoryMiB" });
    expect(pool.refusal.message).toContain(`no host of the pool has ${memoryMiB + 1} MiB in all`);
    expect(starts()).toBe(0);
    await world.done("cmd.vm.destroy", { vmId: "h0" });
  });

  it("waits while no host has free memory for it, and starts when one has", async () => {
    for (const vmId of ["h1", "h2"]) {
      await create(vmId, LARGE);
      await world.done("cmd.vm.start", { vmId });
      await world.reach(vmId, "running");
    }
    await create("h3", LARGE);
    const before = starts();
    await world.done("cmd.vm.start", { vmId: "h3" });
    const { vm } = await eventually("it waits for a host", async () => {
      const got = await world.done("qry.vm.get", { vmId: "h3" });
      return got.vm.refusals.some(({ message }: Json) => /no host of the pool/.test(message))
        ? got
        : undefined;
    });
    expect(vm.state).toBe("pending");
    expect(vm.reason).toContain(`no host of the pool has ${LARGE.memoryMiB} MiB free`);
    const { ledger } = await world.done("qry.ledger.get", { chassisId: "xcpng-1" });
    expect(ledger.free.memoryMiB, "it fits the sum").toBeGreaterThan(LARGE.memoryMiB);
    expect(starts(), "it was never placed").toBe(before);
    await world.done("cmd.vm.destroy", { vmId: "h1" });
    await world.reach("h3", "running");
    for (const vmId of ["h2", "h3"]) await world.done("cmd.vm.destroy", { vmId });
  });
});

it("a VM that high availability restarts on another host stays running, with the move in its history", {
  timeout: TIMEOUT_MS,
}, async () => {
  await create("a1", { vcpus: 1, memoryMiB: 512 });
  await world.done("cmd.vm.start", { vmId: "a1" });
  await world.reach("a1", "running");
  const machine = () =>
    fake.pool.db.all("VM").find(([, vm]) => (vm["other_config"] as Json)["bioxen:vm-id"] === "a1");
  const [ref = "", record] = machine() ?? [];
  const from = String(fake.pool.db.get("host", String(record?.["resident_on"]))["name_label"]);
  fake.pool.db.update("pool", fake.pool.ref, { ha_enabled: true });
  fake.pool.db.update("VM", ref, { ha_restart_priority: "restart", ha_always_run: true });
  const before = starts();
  await fake.failHost(from);
  const observed = await eventually("the move is in the history", async () => {
    const { events } = await world.done("qry.vm.history", { vmId: "a1" });
    return events.find(({ type }: Json) => type === "bioxen.vm.observed.v1");
  });
  expect(observed.data).toMatchObject({ seen: "moved", consequence: "NONE", fromHost: from });
  const { vm } = await world.done("qry.vm.get", { vmId: "a1" });
  expect(vm.state).toBe("running");
  const { events } = await world.done("qry.vm.history", { vmId: "a1" });
  expect(events.map(({ type }: Json) => type)).not.toContain("bioxen.vm.failed.v1");
  expect(starts(), "BioXen started nothing").toBe(before);
  const { chassis } = await eventually("the failed host is left out", async () => {
    const got = await world.done("qry.chassis.get", { chassisId: "xcpng-1" });
    return got.chassis.hosts.length === 1 ? got : undefined;
  });
  expect(chassis.hosts[0].name).not.toBe(from);
  await world.done("cmd.vm.destroy", { vmId: "a1" });
});

it("a pool whose high availability is overcommitted is named by chassis show and doctor, until it is not", {
  timeout: TIMEOUT_MS,
}, async () => {
  const set = (planned: number) =>
    fake.pool.db.update("pool", fake.pool.ref, {
      ha_enabled: true,
      ha_host_failures_to_tolerate: 2,
      ha_plan_exists_for: planned,
      ha_overcommitted: planned < 2,
    });
  const words =
    "its high availability is overcommitted: it is to tolerate 2 failed hosts, and has a plan for 1";
  const shown = async () => (await world.bioxen("chassis", "show", "xcpng-1")).stdout;
  expect(await shown()).not.toContain(words);
  set(1);
  // The agent reads the pool every 15 s.
  await eventually("chassis show names it", async () => (await shown()).includes(words) || undefined, 60_000);
  expect((await world.bioxen("doctor")).stdout).toContain(`pool xcpng-1: ${words}`);
  expect((await world.bioxenJson("chassis", "show", "xcpng-1")).overcommitted).toEqual({
    chassisId: "xcpng-1",
    toTolerate: 2,
    planned: 1,
  });
  set(2);
  await eventually("it is gone", async () => !(await shown()).includes(words) || undefined, 60_000);
});
