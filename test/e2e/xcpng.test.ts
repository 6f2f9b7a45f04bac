/**
 * VMs on a pool use the same commands, events and ledger as cells. The pool is the fake; everything else is the real
 * stack.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";
import { REJECTED_POOLS, upRejects } from "./xcpng-access.ts";
import { programsRunIn, restartWith, sshSettingsOf } from "./xcpng-programs.ts";

const PASSWORD = "only-the-agent-may-know";
/** Time limit for one test, ms: on a busy machine, the stack and its commands are slow. */
const TIMEOUT_MS = 300_000;
let fake: FakeXapi;
let world: World;
let empty: Json;

beforeAll(async () => {
  fake = await createFakeXapi({ password: PASSWORD, guestSsh: {} });
  empty = fake.counts();
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

/** The machine of this VM in the pool; undefined if it has none. */
function machine(vmId: string): Json {
  return fake.pool.db
    .all("VM")
    .map(([ref, vm]) => ({ ref, ...vm }) as Json)
    .find((vm) => vm.other_config["bioxen:vm-id"] === vmId && !vm.is_a_snapshot);
}

async function run(vmId: string, fields: Json = {}): Promise<Json> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng", ...fields });
  await world.done("cmd.vm.start", { vmId });
  return world.reach(vmId, "running");
}

async function destroyed(...vmIds: string[]): Promise<void> {
  for (const vmId of vmIds) await world.done("cmd.vm.destroy", { vmId });
  for (const vmId of vmIds) await world.reach(vmId, "destroyed");
  await eventually("the pool has the same objects as before", () => {
    const { sessions: _, ...now } = fake.counts();
    return JSON.stringify(now) === JSON.stringify({ ...empty, sessions: undefined }) || undefined;
  });
}

const historyOf = async (vmId: string): Promise<Json[]> =>
  (await world.done("qry.vm.history", { vmId })).events;
const typesOf = async (vmId: string): Promise<string[]> =>
  (await historyOf(vmId)).map((e: Json) => e.type.replace(/bioxen\.vm\.|\.v\d+/g, ""));
/** Observed changes outside BioXen, each with its consequence. */
const seenOf = async (vmId: string): Promise<string[]> =>
  (await historyOf(vmId))
    .filter((e: Json) => e.type === "bioxen.vm.observed.v1")
    .map((e: Json) => `${e.data.seen} ${e.data.consequence}`);

describe("a VM of a pool", () => {
  it("has ledger, history and telemetry like a cell, and leaves nothing in the pool", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const created = await world.bioxenJson(
      "vm",
      "create",
      "x1",
      "--type",
      "ecoli",
      "--vm-type",
      "xcpng",
      "--start",
    );
    expect(created.vm).toMatchObject({ state: "running", chassisId: "xcpng-1" });
    expect(created.vm.allocation).toEqual({ vcpus: 2, memoryMiB: 2_048 });
    const { ledger } = await world.done("qry.ledger.get", { chassisId: "xcpng-1" });
    expect(ledger.entries).toHaveLength(1);
    expect(ledger.reserved).toMatchObject({ vcpus: 2, memoryMiB: 2_048 });
    const sample = await world.sample(
      "x1",
      (s) => s.machine?.address !== null && s.machine?.cpuPermille !== null,
    );
    expect(sample).toMatchObject({
      chassisId: "xcpng-1",
      state: "running",
      machine: { vcpus: 2, memoryMiB: 2_048 },
    });
    await world.done("cmd.vm.pause", { vmId: "x1" });
    await eventually("the machine is paused", () => machine("x1").power_state === "Paused" || undefined);
    await world.done("cmd.vm.resume", { vmId: "x1" });
    await eventually("the machine runs", () => machine("x1").power_state === "Running" || undefined);
    const exec = await world.ask("cmd.vm.exec", { vmId: "x1", source: "return 1" });
    expect(exec.error.code).toBe("UNSUPPORTED");
    expect(exec.error.message).toContain("BIOXEN_XCPNG_SSH_USER");
    await world.bioxenJson("vm", "stop", "x1");
    await world.reach("x1", "stopped");
    const { uuid } = machine("x1");
    await world.bioxenJson("vm", "start", "x1");
    expect((await world.reach("x1", "running")).chassisId).toBe("xcpng-1");
    expect(machine("x1").uuid, "it is the same machine").toBe(uuid);
    await destroyed("x1");
    const oneRun = ["start-requested", "placed", "started"];
    const stop = ["stop-requested", "stopped"];
    expect(await typesOf("x1")).toEqual([
      "created",
      ...oneRun,
      "paused",
      "resumed",
      ...stop,
      ...oneRun,
      ...stop,
      "destroyed",
    ]);
  });

  it("is placed by the same scheduler as cells, each VM on a chassis of its type", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const basic = ["b1", "b2", "b3"];
    const pool = ["p1", "p2", "p3"];
    for (const vmId of basic) await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a" });
    for (const vmId of pool) {
      await world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng" });
    }
    await Promise.all([...basic, ...pool].map((vmId) => world.done("cmd.vm.start", { vmId })));
    for (const vmId of basic) expect((await world.reach(vmId, "running")).chassisId).toBe("ecoli-1");
    for (const vmId of pool) expect((await world.reach(vmId, "running")).chassisId).toBe("xcpng-1");
    const answered = await eventually("a cell computes", async () => {
      const reply = await world.ask("cmd.vm.exec", { vmId: "b1", source: "return 2" });
      return reply.ok ? reply : undefined;
    });
    expect(answered.result).toBe(2);
    await destroyed(...basic, ...pool);
  });

  it("is rejected when its request exceeds every host or contains a password", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const ask = (config: Json, resources: Json) =>
      world.ask("cmd.vm.create", { vmId: "no", biologicalType: "ecoli", vmType: "xcpng", config, resources });
    expect((await ask({ password: "secret" }, {})).error.code).toBe("BAD_REQUEST");
    await ask({}, { memoryMiB: 10_000_000 });
    expect((await world.ask("cmd.vm.start", { vmId: "no" })).error.code).toBe("INFEASIBLE");
    await world.done("cmd.vm.destroy", { vmId: "no" });
  });

  it("fails to start with a missing template, and the reason names the remedy", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await world.done("cmd.vm.create", {
      vmId: "t1",
      biologicalType: "ecoli",
      vmType: "xcpng",
      config: { template: "no-such" },
    });
    await world.done("cmd.vm.start", { vmId: "t1" });
    expect((await world.reach("t1", "error")).reason).toMatch(/no template "no-such".*config\.template/);
    await destroyed("t1");
  });
});

describe("changes outside BioXen", () => {
  it("a halted or deleted machine fails with the reason, and its restart policy decides whether it restarts", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await run("d1");
    await run("d2", { restartPolicy: { mode: "on-failure", maxAttempts: 3, backoffMs: 10 } });
    await run("d3");
    await fake.outside("VM.hard_shutdown", machine("d1").ref);
    await fake.outside("VM.hard_shutdown", machine("d2").ref);
    await fake.outside("VM.hard_shutdown", machine("d3").ref);
    await fake.outside("VM.destroy", machine("d3").ref);
    expect((await world.reach("d1", "error")).reason).toMatch(/halted, and not by BioXen/);
    expect((await world.reach("d3", "error")).reason).toMatch(/not by BioXen/);
    await eventually(
      "d2 runs again",
      async () => (await typesOf("d2")).filter((t) => t === "started").length === 2 || undefined,
    );
    expect(machine("d2").power_state).toBe("Running");
    expect(await seenOf("d1")).toEqual(["halted FAIL"]);
    expect((await typesOf("d2")).slice(4, 7), "observed, then failed, then restarted").toEqual([
      "observed",
      "failed",
      "start-requested",
    ]);
    // The driver cannot find the disk of a VM whose record was deleted outside BioXen.
    const [orphan] = fake.pool.db.all("VDI").filter(([, vdi]) => (vdi["VBDs"] as string[]).length === 0);
    if (orphan !== undefined) fake.pool.removeVdi(orphan[0]);
    await destroyed("d1", "d2", "d3");
  });

  it("a paused or suspended machine is resumed; a machine started without an allocation is halted", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await run("d4");
    await fake.outside("VM.pause", machine("d4").ref);
    await eventually("the change is observed", async () => (await seenOf("d4")).length === 1 || undefined);
    await eventually("the machine runs again", () => machine("d4").power_state === "Running" || undefined);
    // A change between BioXen's call and its next read of the machine is undone, but not observed.
    const ranAtMs = Date.now();
    await world.sample("d4", ({ atMs }) => atMs > ranAtMs);
    await fake.outside("VM.suspend", machine("d4").ref);
    await eventually("that is observed too", async () => (await seenOf("d4")).length === 2 || undefined);
    await eventually("the machine runs again", () => machine("d4").power_state === "Running" || undefined);
    await world.done("cmd.vm.stop", { vmId: "d4" });
    await world.reach("d4", "stopped");
    await fake.outside("VM.start", machine("d4").ref, false, false);
    // Waits for the event first: the power state "Halted" alone would also describe the machine before its start.
    await eventually("the start is observed", async () => (await seenOf("d4")).length === 3 || undefined);
    expect(await seenOf("d4")).toEqual(["paused REPAIR", "suspended REPAIR", "started REPAIR"]);
    await eventually("the machine is halted", () => machine("d4").power_state === "Halted" || undefined);
    await destroyed("d4");
  });

  it("a moved machine keeps running, and its history names both hosts", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await run("d5");
    const { ref, resident_on } = machine("d5");
    const [to] = fake.pool.db.all("host").filter(([host]) => host !== resident_on);
    await fake.outside("VM.pool_migrate", ref, to?.[0] ?? "", {});
    await eventually("the change is observed", async () => (await seenOf("d5")).length === 1 || undefined);
    const from = fake.pool.db.get("host", resident_on)["name_label"];
    const { stdout } = await world.bioxen("vm", "history", "d5");
    expect(stdout).toContain(
      `moved in its pool from ${from} to ${to?.[1]["name_label"]}, not by BioXen: no consequence`,
    );
    await destroyed("d5");
  });
});

describe("the agent", () => {
  it("finds its machines running after a kill and starts none twice", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const before = await run("k1");
    const { uuid, domid } = machine("k1");
    const agent = world.stack.services().find((service) => service.name === "chassis-agent");
    process.kill(agent?.pid ?? 0, "SIGKILL");
    await eventually("the agent is ready again", () => {
      const now = world.stack.services().find((service) => service.name === "chassis-agent");
      return (now?.state === "ready" && now.pid !== agent?.pid) || undefined;
    });
    await world.sample("k1", (s) => s.machine?.cpuPermille !== null);
    expect(machine("k1")).toMatchObject({ uuid, domid, power_state: "Running" });
    expect((await world.done("qry.vm.get", { vmId: "k1" })).vm.version).toBe(before.version);
    await destroyed("k1");
    expect(fake.counts()).toMatchObject({ ...empty, sessions: 1 });
    const verified = await world.bioxenJson("events", "verify");
    expect(verified.violations).toEqual([]);
  });

  it("that starts later fails the VM of a machine halted meanwhile, and resumes a paused one; no change is recorded", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await run("h1");
    await run("h2");
    await world.restart(async () => {
      await fake.outside("VM.hard_shutdown", machine("h1").ref);
      await fake.outside("VM.pause", machine("h2").ref);
    });
    expect((await world.reach("h1", "error")).reason).toMatch(/halted, and not by BioXen/);
    await eventually("h2 runs again", () => machine("h2").power_state === "Running" || undefined);
    expect([await seenOf("h1"), await seenOf("h2")]).toEqual([[], []]);
    await destroyed("h1", "h2");
  });

  it("runs programs over SSH, and with drift `accept` its VMs follow changes outside BioXen", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await restartWith(world, { BIOXEN_XCPNG_DRIFT: "accept", ...sshSettingsOf(fake) });
    await run("a1", { restartPolicy: { mode: "always", maxAttempts: 3, backoffMs: 10 } });
    await programsRunIn(world, "a1");
    await fake.outside("VM.pause", machine("a1").ref);
    expect((await world.reach("a1", "paused")).reason).toMatch(/paused in its pool, and not by BioXen/);
    await fake.outside("VM.unpause", machine("a1").ref);
    await world.reach("a1", "running");
    const { ref, uuid } = machine("a1");
    await fake.outside("VM.hard_shutdown", ref);
    expect((await world.reach("a1", "stopped")).reason).toMatch(/halted in its pool/);
    await world.done("cmd.vm.start", { vmId: "a1" });
    await world.reach("a1", "running");
    expect(machine("a1")).toMatchObject({ uuid, power_state: "Running" });
    await world.done("cmd.vm.stop", { vmId: "a1" });
    await world.reach("a1", "stopped");
    expect(fake.counts(), "no SSH connection is left").toMatchObject({ connections: 0 });
    await fake.outside("VM.destroy", ref);
    expect((await world.reach("a1", "destroyed")).reason).toMatch(/deleted from its pool/);
    expect(await seenOf("a1")).toEqual([
      "paused FOLLOW",
      "resumed FOLLOW",
      "halted FOLLOW",
      "deleted FOLLOW",
    ]);
    const [orphan] = fake.pool.db.all("VDI").filter(([, vdi]) => (vdi["VBDs"] as string[]).length === 0);
    if (orphan !== undefined) fake.pool.removeVdi(orphan[0]);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });

  it.each(REJECTED_POOLS)("`up` rejects a pool with %s and names the remedy", (_reason, pool, error) =>
    upRejects(world, pool, error, PASSWORD),
  );
});
