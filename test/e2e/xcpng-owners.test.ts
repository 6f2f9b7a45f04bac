/**
 * Machines of other owners in a pool are never touched: those of a lost log, of another stack, of a part of the log that a
 * restored copy does not have, and of another agent. An operator adopts or deletes them.
 */
import { spawn } from "node:child_process";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLI, eventually, type Json, World } from "./world.ts";

const PASSWORD = "only-the-agent-may-know";
/** Time limit for one test, ms: each starts several stacks, on a machine that may be busy. */
const TIMEOUT_MS = 300_000;

let fake: FakeXapi;
const worlds: World[] = [];

beforeEach(async () => {
  fake = await createFakeXapi({ password: PASSWORD });
  process.env["BIOXEN_XCPNG_PASSWORD"] = PASSWORD;
});
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
  delete process.env["BIOXEN_XCPNG_PASSWORD"];
  delete process.env["BIOXEN_AGENT_ID"];
  await fake.close();
});

async function stack(): Promise<World> {
  const { url, fingerprint } = fake;
  // Without keys: a test changes the id of the agent, and with keys the new agent gets the chassis only once it is lost.
  const world = await World.open({ keys: false, chassis: "ecoli:1", xcpng: { url, fingerprint } });
  worlds.push(world);
  return world;
}

async function run(world: World, vmId: string): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng" });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}

/** The machines in the pool, as far as a driver can change them, by uuid. */
function machines(): Map<string, Json> {
  const own = fake.pool.db.all("VM").filter(([, vm]) => "bioxen:vm-id" in (vm["other_config"] as Json));
  return new Map(own.map(([ref, vm]) => [String(vm["uuid"]), structuredClone({ ref, ...vm })]));
}

function uuidOf(vmId: string): string {
  const found = [...machines().values()].filter((vm) => vm.other_config["bioxen:vm-id"] === vmId);
  expect(found).toHaveLength(1);
  return found[0].uuid;
}

/** Waits until `pool orphans` lists exactly these VMs, each with the reason. */
async function orphansAre(world: World, ...expected: string[]): Promise<Json[]> {
  let seen: Json;
  return eventually(`the orphans are ${expected.join(", ")}`, async () => {
    seen = await world.bioxenJson("pool", "orphans");
    const listed = seen.orphans.map((one: Json) => `${one.vmId} ${one.cause}`).sort();
    return JSON.stringify(listed) === JSON.stringify(expected.toSorted()) ? seen.orphans : undefined;
  });
}

/** Expects that the machines of `before` are unchanged in the pool. */
function untouched(before: ReadonlyMap<string, Json>): void {
  const now = machines();
  for (const [uuid, machine] of before) expect(now.get(uuid)).toEqual(machine);
}

it("a fresh data directory leaves the machines of the lost log alone, until they are adopted or deleted", {
  timeout: TIMEOUT_MS,
}, async () => {
  const { sessions: _, ...empty } = fake.counts();
  const world = await stack();
  await run(world, "keep1");
  await run(world, "keep2");
  await world.done("cmd.vm.stop", { vmId: "keep2" });
  await world.reach("keep2", "stopped");
  const before = machines();
  await world.restart((dataDir) => rm(dataDir, { recursive: true }));
  await orphansAre(world, "keep1 cluster", "keep2 cluster");
  await eventually("the alert is raised", async () => {
    const { active } = await world.done("qry.alert.list", {});
    return active.some((one: Json) => one.ruleId === "pool-orphans" && one.value === 2) || undefined;
  });
  const doctor = await world.bioxenProcess("doctor");
  expect(doctor.stdout).toContain("2 machines of another owner in the pool, which this BioXen leaves alone");
  untouched(before);

  const keep1 = uuidOf("keep1");
  const { vm } = await world.bioxenJson("pool", "adopt", "keep1", "--id", "kept", "--type", "ecoli");
  expect(vm).toMatchObject({ vmId: "kept", state: "running", config: { machine: keep1 } });
  expect(machines().get(keep1)).toMatchObject({
    power_state: "Running",
    domid: before.get(keep1)?.domid,
    name_label: expect.stringMatching(/^BioXen kept \(xcpng-1, [0-9a-f]{16}\)$/),
  });
  const [orphan] = await orphansAre(world, "keep2 cluster");
  const deleted = await world.bioxenJson("pool", "delete", orphan?.uuid);
  expect(deleted.changed).toBe(true);
  await orphansAre(world);
  await world.done("cmd.vm.destroy", { vmId: "kept" });
  await world.reach("kept", "destroyed");
  await eventually("the pool is as it was at first", () => {
    const { sessions, ...now } = fake.counts();
    return JSON.stringify(now) === JSON.stringify(empty) || undefined;
  });
  // The agent reports the end of the deletion after the machine is gone.
  const words = await eventually("the log has the end of the deletion", async () => {
    const { stdout } = await world.bioxenProcess("events", "tail", "--from", "1", "--no-follow");
    return stdout.includes(`the machine ${orphan?.uuid} of another owner is deleted`) ? stdout : undefined;
  });
  expect(words).toContain(`its agent deletes the machine ${orphan?.uuid} of another owner`);
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});

it("a halted orphan is adopted at the start of its new VM, and not touched before", {
  timeout: TIMEOUT_MS,
}, async () => {
  const world = await stack();
  await run(world, "keep1");
  await world.done("cmd.vm.stop", { vmId: "keep1" });
  await world.reach("keep1", "stopped");
  const before = machines();
  await world.restart((dataDir) => rm(dataDir, { recursive: true }));
  await orphansAre(world, "keep1 cluster");
  const adopted = await world.bioxenProcess("pool", "adopt", "keep1", "--id", "kept", "--type", "ecoli");
  expect(adopted.stdout).toContain("the machine is halted: bioxen vm start kept starts and adopts it");
  expect(adopted.code).toBe(0);
  const [uuid = ""] = before.keys();
  const created = (await world.done("qry.vm.get", { vmId: "kept" })).vm;
  expect(created).toMatchObject({ state: "created", config: { machine: uuid } });
  await orphansAre(world, "keep1 cluster");
  untouched(before);
  const started = await world.bioxenProcess("vm", "start", "kept");
  expect(started.code).toBe(0);
  await world.reach("kept", "running");
  await orphansAre(world);
  const machine = machines().get(uuid);
  expect(machine).toMatchObject({ power_state: "Running", VBDs: before.get(uuid)?.VBDs });
  expect(machine.name_label).toMatch(/^BioXen kept \(xcpng-1, [0-9a-f]{16}\)$/);
  await world.done("cmd.vm.destroy", { vmId: "kept" });
  await world.reach("kept", "destroyed");
  expect(machines().size).toBe(0);
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});

it("two stacks on one pool leave each other's machines alone, even of VMs with the same id", {
  timeout: TIMEOUT_MS,
}, async () => {
  const first = await stack();
  await run(first, "keep1");
  const before = machines();
  const second = await stack();
  await orphansAre(second, "keep1 cluster");
  await run(second, "keep1");
  await second.done("cmd.vm.stop", { vmId: "keep1" });
  await second.reach("keep1", "stopped");
  await second.done("cmd.vm.destroy", { vmId: "keep1" });
  await second.reach("keep1", "destroyed");
  await eventually("only the machine of the first stack is left", () => machines().size === 1 || undefined);
  untouched(before);
  expect((await first.done("qry.vm.get", { vmId: "keep1" })).vm.state).toBe("running");
  const { url, fingerprint } = fake;
  const args = ["up", "--chassis", "", "--data", join(first.dir, "third")];
  const up = spawn(process.execPath, [CLI, ...args, "--xcpng", url, "--xcpng-fingerprint", fingerprint], {
    env: { ...process.env, BIOXEN_HOME: join(first.dir, "third-home") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let told = "";
  for (const stream of [up.stdout, up.stderr]) stream.on("data", (chunk) => (told += String(chunk)));
  const ended = new Promise((resolve) => up.once("exit", resolve));
  await eventually(
    "up tells of the machine",
    () => /1 machine of another owner.*bioxen pool orphans/s.test(told) || up.exitCode !== null || undefined,
    60_000,
  );
  expect(told).toContain("1 machine of another owner in the pool");
  up.kill("SIGTERM");
  await ended;
  untouched(before);
});

it("a restored older log leaves the machines alone that are newer than the copy", {
  timeout: TIMEOUT_MS,
}, async () => {
  const world = await stack();
  await run(world, "keep1");
  const copy = join(world.dir, "copy");
  await world.restart((dataDir) => cp(dataDir, copy, { recursive: true }));
  await world.reach("keep1", "running");
  await run(world, "keep2");
  const keep2 = uuidOf("keep2");
  const before = machines();
  await world.restart(async (dataDir) => {
    await rm(dataDir, { recursive: true });
    await cp(copy, dataDir, { recursive: true });
  });
  await orphansAre(world, "keep2 log");
  expect((await world.done("qry.vm.get", { vmId: "keep1" })).vm.state).toBe("running");
  // The log gives out the numbers again that the lost part had, and the same VM may get the same fence.
  await run(world, "keep2");
  const [orphan] = await orphansAre(world, "keep2 log");
  expect(orphan?.uuid).toBe(keep2);
  await world.restart();
  await orphansAre(world, "keep2 log");
  untouched(before);
  const { vm } = await world.bioxenJson("pool", "adopt", keep2, "--id", "keep3");
  expect(vm.state).toBe("running");
  expect(machines().get(keep2)?.domid).toBe(before.get(keep2)?.domid);
  await orphansAre(world);
});

it("an agent with another id leaves the machines of the former agent alone", {
  timeout: TIMEOUT_MS,
}, async () => {
  const world = await stack();
  await run(world, "keep1");
  await run(world, "keep2");
  await world.done("cmd.vm.stop", { vmId: "keep2" });
  await world.reach("keep2", "stopped");
  const before = machines();
  const keep1 = uuidOf("keep1");
  process.env["BIOXEN_AGENT_ID"] = "other";
  await world.restart();
  await orphansAre(world, "keep1 agent", "keep2 agent");
  await world.done("cmd.vm.start", { vmId: "keep2" });
  await world.reach("keep2", "running");
  untouched(before);
  await world.bioxenJson("pool", "delete", keep1);
  await orphansAre(world, "keep2 agent");
  await eventually("the machine is deleted", () => !machines().has(keep1) || undefined);

  const silent = { chassisId: "xcpng-2", chassisType: "xcpng", agentId: "absent" };
  await world.done("cmd.chassis.register", { ...silent, capacity: { vcpus: 1, memoryMiB: 1024 } });
  const listed = await world.bioxenProcess("pool", "orphans");
  expect(listed).toMatchObject({ code: 3, stdout: expect.stringContaining("keep2") });
  expect(listed.stderr).toContain("pool xcpng-2: UNAVAILABLE");
  expect(await world.bioxenJson("pool", "orphans")).toMatchObject({
    ok: false,
    total: 1,
    orphans: [{ vmId: "keep2" }],
    unanswered: [{ chassisId: "xcpng-2", error: { code: "UNAVAILABLE" } }],
  });
});
