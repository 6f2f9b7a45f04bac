/**
 * VMs on a pool behind the same commands, events and ledger as cells: the pool is the fake, everything else is the real stack.
 */
import { createFakeXapi, type FakeXapi, type SelfSigned, selfSigned } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";
import { programsRunIn, restartWith, wayInto } from "./xcpng-programs.ts";

const PASSWORD = "only-the-agent-may-know";
/** A busy machine starts processes slowly, and each command is one. */
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

/** The machine of this VM in the pool. */
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

async function gone(...vmIds: string[]): Promise<void> {
  for (const vmId of vmIds) await world.done("cmd.vm.destroy", { vmId });
  for (const vmId of vmIds) await world.reach(vmId, "destroyed");
  await eventually("the pool is as it was", () => {
    const { sessions: _, ...now } = fake.counts();
    return JSON.stringify(now) === JSON.stringify({ ...empty, sessions: undefined }) || undefined;
  });
}

const historyOf = async (vmId: string): Promise<Json[]> =>
  (await world.done("qry.vm.history", { vmId })).events;
const typesOf = async (vmId: string): Promise<string[]> =>
  (await historyOf(vmId)).map((e: Json) => e.type.replace(/bioxen\.vm\.|\.v\d+/g, ""));
/** What others were seen to do to it, and what followed. */
const seenOf = async (vmId: string): Promise<string[]> =>
  (await historyOf(vmId))
    .filter((e: Json) => e.type === "bioxen.vm.observed.v1")
    .map((e: Json) => `${e.data.seen} ${e.data.consequence}`);

describe("a VM of a pool", () => {
  it("lives by the command line like a cell: ledger, history, telemetry, and nothing left at the end", {
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
    await eventually("it is paused there", () => machine("x1").power_state === "Paused" || undefined);
    await world.done("cmd.vm.resume", { vmId: "x1" });
    await eventually("it runs there", () => machine("x1").power_state === "Running" || undefined);
    const exec = await world.ask("cmd.vm.exec", { vmId: "x1", source: "return 1" });
    expect(exec.error.code).toBe("UNSUPPORTED");
    expect(exec.error.message).toContain("BIOXEN_XCPNG_SSH_USER");
    await world.bioxenJson("vm", "stop", "x1");
    await world.reach("x1", "stopped");
    const { uuid } = machine("x1");
    await world.bioxenJson("vm", "start", "x1");
    expect((await world.reach("x1", "running")).chassisId).toBe("xcpng-1");
    expect(machine("x1").uuid, "with the disk it had").toBe(uuid);
    await gone("x1");
    expect(await typesOf("x1")).toEqual(
      [
        "created",
        "start-requested",
        "placed",
        "started",
        "paused",
        "resumed",
        "stop-requested",
        "stopped",
      ].concat(["start-requested", "placed", "started", "stop-requested", "stopped", "destroyed"]),
    );
  });

  it("half basic, half xcpng in one fleet are placed by the same scheduler, each where it can live", {
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
    await gone(...basic, ...pool);
  });

  it("is snapshotted in its pool and set back, in place and from its stop; a snapshot that is deleted is gone there", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await run("s1");
    const { uuid } = machine("s1");
    const { snapshot } = await world.bioxenJson("vm", "snapshot", "s1", "--id", "before");
    const again = await world.done("cmd.vm.snapshot", { vmId: "s1", snapshotId: "before" });
    expect(again).toMatchObject({ changed: false, snapshot });
    expect(fake.counts()).toMatchObject({ snapshots: 1 });
    const isBack = (times: number) =>
      eventually(`it is set back for the ${times}. time`, () => {
        const { other_config, power_state } = machine("s1");
        return (power_state === "Running" && other_config["bioxen:restores"] === String(times)) || undefined;
      });
    await world.done("cmd.vm.restore", { vmId: "s1", snapshotId: "before" });
    await isBack(1);
    await eventually(
      "it is told",
      async () => (await typesOf("s1")).includes("guest-restarted") || undefined,
    );
    await world.done("cmd.vm.stop", { vmId: "s1" });
    await world.reach("s1", "stopped");
    await world.done("cmd.vm.restore", { vmId: "s1", snapshotId: "before" });
    await world.done("cmd.vm.start", { vmId: "s1" });
    await world.reach("s1", "running");
    await isBack(2);
    expect(machine("s1").uuid).toBe(uuid);
    await world.done("cmd.vm.snapshot", { vmId: "s1", snapshotId: "lost" });
    const snapshots = fake.pool.db.all("VM").filter(([, vm]) => vm["is_a_snapshot"] === true);
    expect(snapshots).toHaveLength(2);
    for (const [ref, vm] of snapshots.slice(-1)) {
      for (const vbd of vm["VBDs"] as string[]) {
        await fake.outside("VDI.destroy", fake.pool.db.get("VBD", vbd)["VDI"] as string);
      }
      await fake.outside("VM.destroy", ref);
    }
    await world.done("cmd.vm.restore", { vmId: "s1", snapshotId: "lost" });
    await isBack(3);
    expect(await typesOf("s1"), "it says that there is nothing to go back to").toContain("checkpoint-lost");
    for (const fromSnapshotId of [undefined, "before"]) {
      const fork = await world.ask("cmd.vm.fork", { vmId: "s1", newVmId: "s2", fromSnapshotId });
      expect(fork.error.code).toBe("UNSUPPORTED");
    }
    await world.done("cmd.vm.stop", { vmId: "s1" });
    await world.reach("s1", "stopped");
    await world.bioxenJson("vm", "snapshots", "s1", "--delete", "before");
    await eventually("it is gone", () => fake.counts()["snapshots"] === 0 || undefined);
    await gone("s1");
  });

  it("a request no host can ever hold, or with a password in it, is refused before anything is recorded", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const ask = (config: Json, resources: Json) =>
      world.ask("cmd.vm.create", { vmId: "no", biologicalType: "ecoli", vmType: "xcpng", config, resources });
    expect((await ask({ password: "secret" }, {})).error.code).toBe("BAD_REQUEST");
    await ask({}, { memoryMiB: 10_000_000 });
    expect((await world.ask("cmd.vm.start", { vmId: "no" })).error.code).toBe("INFEASIBLE");
    await world.done("cmd.vm.destroy", { vmId: "no" });
  });

  it("a template that is missing fails the start, and says what to do", { timeout: TIMEOUT_MS }, async () => {
    await world.done("cmd.vm.create", {
      vmId: "t1",
      biologicalType: "ecoli",
      vmType: "xcpng",
      config: { template: "no-such" },
    });
    await world.done("cmd.vm.start", { vmId: "t1" });
    expect((await world.reach("t1", "error")).reason).toMatch(/no template "no-such".*config\.template/);
    await gone("t1");
  });
});

describe("what others do to it", () => {
  it("halted or deleted elsewhere it fails with the reason; its restart policy says whether it runs again", {
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
    expect((await typesOf("d2")).slice(4, 7), "seen, then failed, then wanted again").toEqual([
      "observed",
      "failed",
      "start-requested",
    ]);
    // What it left when its record was deleted elsewhere was never ours to find.
    const [orphan] = fake.pool.db.all("VDI").filter(([, vdi]) => (vdi["VBDs"] as string[]).length === 0);
    if (orphan !== undefined) fake.pool.removeVdi(orphan[0]);
    await gone("d1", "d2", "d3");
  });

  it("paused elsewhere it is resumed; started elsewhere without an allocation it is ended", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await run("d4");
    await fake.outside("VM.pause", machine("d4").ref);
    await eventually("it is seen", async () => (await seenOf("d4")).length === 1 || undefined);
    await eventually("it runs again", () => machine("d4").power_state === "Running" || undefined);
    await world.done("cmd.vm.stop", { vmId: "d4" });
    await world.reach("d4", "stopped");
    await fake.outside("VM.start", machine("d4").ref, false, false);
    // The start is reported before the machine is halted, and "Halted" alone also describes the machine before its start.
    await eventually("the start is seen", async () => (await seenOf("d4")).length === 2 || undefined);
    expect(await seenOf("d4")).toEqual(["paused REPAIR", "started REPAIR"]);
    await eventually("the ghost is ended", () => machine("d4").power_state === "Halted" || undefined);
    await gone("d4");
  });

  it("moved to another host it goes on, and its history says from where to where", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await run("d5");
    const { ref, resident_on } = machine("d5");
    const [to] = fake.pool.db.all("host").filter(([host]) => host !== resident_on);
    await fake.outside("VM.pool_migrate", ref, to?.[0] ?? "", {});
    await eventually("it is seen", async () => (await seenOf("d5")).length === 1 || undefined);
    const from = fake.pool.db.get("host", resident_on)["name_label"];
    const { stdout } = await world.bioxen("vm", "history", "d5");
    expect(stdout).toContain(
      `moved in its pool from ${from} to ${to?.[1]["name_label"]}, and not by BioXen: nothing follows`,
    );
    await gone("d5");
  });
});

describe("the agent", () => {
  it("killed, it finds its machines running and starts none twice; no other service knows the password", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const before = await run("k1");
    const { uuid, domid } = machine("k1");
    const agent = world.stack.services().find((service) => service.name === "chassis-agent");
    process.kill(agent?.pid ?? 0, "SIGKILL");
    await eventually("it is back", () => {
      const now = world.stack.services().find((service) => service.name === "chassis-agent");
      return (now?.state === "ready" && now.pid !== agent?.pid) || undefined;
    });
    await world.sample("k1", (s) => s.machine?.cpuPermille !== null);
    expect(machine("k1")).toMatchObject({ uuid, domid, power_state: "Running" });
    expect((await world.done("qry.vm.get", { vmId: "k1" })).vm.version).toBe(before.version);
    await gone("k1");
    expect(fake.counts()).toMatchObject({ ...empty, sessions: 1 });
    const verified = await world.bioxenJson("events", "verify");
    expect(verified.violations).toEqual([]);
  });

  it("with a way in runs programs in its machines; told to accept, lets its VMs be what others make of them", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await restartWith(world, { BIOXEN_XCPNG_DRIFT: "accept", ...wayInto(fake) });
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
    expect(fake.counts(), "no way into it is left").toMatchObject({ connections: 0 });
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

  it.each([
    ["an expired certificate", { identity: expired() }, /has expired: renew it/],
    ["another password", { password: "another" }, /does not know this user with this password/],
  ])("a pool with %s is refused by `up` in words that say what to do", async (_name, options, message) => {
    const other = await createFakeXapi(options);
    const fingerprint = other.fingerprint;
    const up = await world.bioxen("up", "--xcpng", other.url, "--xcpng-fingerprint", fingerprint, "--json");
    await other.close();
    expect(up.code).toBe(1);
    expect(up.stderr).toMatch(message);
    expect(JSON.parse(up.stdout).error.code).toBe("UNAVAILABLE");
    expect(up.stdout + up.stderr).not.toContain(PASSWORD);
  });
});

function expired(): SelfSigned {
  const hour = 3_600_000;
  return selfSigned({ notBefore: new Date(Date.now() - 2 * hour), notAfter: new Date(Date.now() - hour) });
}
