/**
 * A quota over three chassis, with three allocators that reserve at the same time. The quota is never exceeded, every
 * waiting VM has a reason, and waiting VMs start at once when room is released or the quota is raised.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const ALLOCATORS = 3;
const CONTENDERS = 24;
const RIBOSOMES = 100;
const PLACES = 10;
const LIMIT = PLACES * RIBOSOMES;
const CHASSIS = ["ecoli-1", "ecoli-2", "yeast-1"] as const;

let world: World;
const extra: ChildProcess[] = [];

beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:2,yeast:1" });
  const main = fileURLToPath(new URL("../../services/allocator/main.ts", import.meta.url));
  const env = await world.serviceEnvironment("allocator");
  for (let i = 1; i < ALLOCATORS; i += 1) {
    extra.push(spawn(process.execPath, [main], { env, stdio: ["ignore", "ignore", "ignore", "ipc"] }));
  }
  await Promise.all(extra.map((child) => new Promise((resolve) => child.once("message", resolve))));
});
afterAll(async () => {
  for (const child of extra) child.kill("SIGKILL");
  await world.close();
});

const vmOf = (i: number) => `q-${String(i).padStart(2, "0")}`;
const quotaOf = async (label: string): Promise<Json> => (await world.done("qry.quota.get", { label })).quota;
const inState = async (state: string): Promise<Json[]> =>
  (await world.done("qry.vm.list", { state, label: "team=red" })).vms;

describe("a quota", () => {
  it("is not exceeded by three allocators that reserve on three ledgers at the same time", async () => {
    const set = await world.done("cmd.quota.set", { label: "team=red", resources: { ribosomes: LIMIT } });
    expect(set).toMatchObject({
      changed: true,
      quota: { enforced: true, held: {}, free: { ribosomes: LIMIT } },
    });
    for (let i = 0; i < CONTENDERS; i += 1) {
      await world.done("cmd.vm.create", {
        vmId: vmOf(i),
        biologicalType: "syn3a",
        resources: { ribosomes: RIBOSOMES, rnaPolymerases: 20, atpPerSecond: 1_000 },
        labels: { team: "red" },
        placement: { chassisId: CHASSIS[i % CHASSIS.length] },
      });
    }
    await Promise.all(
      Array.from({ length: CONTENDERS }, (_, i) => world.done("cmd.vm.start", { vmId: vmOf(i) })),
    );
    await eventually("as many VMs run as the quota allows", async () =>
      (await inState("running")).length === PLACES ? true : undefined,
    );
    const waiting = await eventually("every waiting VM has the reason", async () => {
      const vms = await inState("pending");
      const hasReasons = vms.every((vm) => vm.refusals.some((r: Json) => r.code === "QUOTA_EXCEEDED"));
      return vms.length === CONTENDERS - PLACES && hasReasons ? vms : undefined;
    });
    expect(waiting[0].reason).toContain("quota team=red: ribosomes 100 asked, 0 of 1000 free");
    expect(await quotaOf("team=red")).toMatchObject({ held: { ribosomes: LIMIT }, free: { ribosomes: 0 } });
    const { ledgers } = await world.done("qry.ledger.list", {});
    const held = ledgers.map((ledger: Json) => ledger.reserved.ribosomes ?? 0);
    expect(held.reduce((a: number, b: number) => a + b, 0)).toBe(LIMIT);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });

  it("rejects a resize above it, and starts waiting VMs when room is released or the quota is raised", async () => {
    const [first] = await inState("running");
    const grow = await world.ask("cmd.vm.resize", {
      vmId: first.vmId,
      resources: { ribosomes: RIBOSOMES + 1 },
    });
    expect(grow.error).toMatchObject({
      code: "QUOTA_EXCEEDED",
      details: {
        chassisId: first.chassisId,
        resource: "ribosomes",
        requested: RIBOSOMES + 1,
        free: RIBOSOMES,
      },
    });
    const shrunk = await world.done("cmd.vm.resize", { vmId: first.vmId, resources: { ribosomes: 50 } });
    expect(shrunk.vm.allocation.ribosomes).toBe(50);
    await eventually("the released ribosomes are free", async () =>
      (await quotaOf("team=red")).free.ribosomes === 50 ? true : undefined,
    );
    await world.done("cmd.vm.resize", { vmId: first.vmId, resources: { ribosomes: RIBOSOMES } });
    await world.done("cmd.vm.stop", { vmId: first.vmId });
    await eventually("a waiting VM takes the room of the stopped one", async () =>
      (await inState("running")).length === PLACES ? true : undefined,
    );
    const raised = await world.bioxenJson(
      "quota",
      "set",
      "team=red",
      "--ribosomes",
      String(LIMIT + 2 * RIBOSOMES),
    );
    expect(raised).toMatchObject({ ok: true, changed: true });
    await eventually("two more VMs run", async () =>
      (await inState("running")).length === PLACES + 2 ? true : undefined,
    );
  });

  it("keeps running VMs when it is lowered, and counts VMs that ran before it was set", async () => {
    await world.done("cmd.quota.set", { label: "team=red", resources: { ribosomes: RIBOSOMES } });
    expect(await inState("running")).toHaveLength(PLACES + 2);
    const whole = await world.done("cmd.quota.set", { label: "team", resources: { ribosomes: 100 * LIMIT } });
    expect(whole.quota).toMatchObject({ enforced: true, held: { ribosomes: LIMIT + 2 * RIBOSOMES } });
    expect(whole.quota.holders).toHaveLength(PLACES + 2);
    const again = await world.done("cmd.quota.set", { label: "team", resources: { ribosomes: 100 * LIMIT } });
    expect(again.changed).toBe(false);
    const refused = await world.bioxen("quota", "set", "team", "--json");
    expect(refused.code).toBe(2);
    expect((await world.ask("cmd.quota.set", { label: "a b", resources: {} })).error.code).toBe(
      "BAD_REQUEST",
    );
    const { quotas } = await world.bioxenJson("quota", "ls");
    // Other test files leave quotas on the shared stack, because a quota cannot be removed.
    const own = ["team", "team=red"];
    const labels = quotas.map((quota: Json) => quota.label);
    expect(labels.filter((label: string) => own.includes(label))).toEqual(own);
    expect((await world.bioxen("quota", "get", "team=red")).stdout).toContain("1200 of 100");
    expect(await world.bioxenJson("quota", "get", "no-such-label")).toMatchObject({ quota: null });
    const lines = (await world.bioxen("events", "tail", "--from", "1", "--no-follow", "--json")).stdout;
    expect(lines).toContain('"subject":"quota/team--3d-red"');
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});

describe("the quota of an owner", () => {
  const limit = 2 * RIBOSOMES;
  const ofOwner = async (owner: string): Promise<Json> =>
    (await world.done("qry.quota.get", { owner })).quota;
  const held = (owner: string, ribosomes: number) =>
    eventually(`${owner} is charged ${ribosomes} ribosomes`, async () =>
      ((await ofOwner(owner)).held.ribosomes ?? 0) === ribosomes ? true : undefined,
    );
  const create = (vmId: string) =>
    world.done("cmd.vm.create", {
      vmId,
      biologicalType: "syn3a",
      resources: { ribosomes: RIBOSOMES, rnaPolymerases: 20, atpPerSecond: 1_000 },
    });

  it("limits what the VMs of the owner hold together, and a transfer moves the charge", async () => {
    for (const owner of ["alice", "bob"])
      await world.done("cmd.quota.set", { owner, resources: { ribosomes: limit } });
    const vms = ["own-1", "own-2", "own-3"];
    for (const vmId of vms) {
      await create(vmId);
      await world.done("cmd.vm.transfer", { vmId, owner: "alice" });
      await world.done("cmd.vm.start", { vmId });
    }
    const waiting = await eventually("the third VM waits", async () => {
      const all: Json[] = await Promise.all(
        vms.map(async (vmId) => (await world.done("qry.vm.get", { vmId })).vm),
      );
      const [pending, ...more] = all.filter(({ state }) => state === "pending");
      const isLimited = pending?.refusals.some(({ code }: Json) => code === "QUOTA_EXCEEDED");
      return isLimited && more.length === 0 && all.filter(({ state }) => state === "running").length === 2
        ? pending
        : undefined;
    });
    expect(waiting.reason).toContain("quota @alice: ribosomes 100 asked, 0 of 200 free");
    await held("alice", limit);
    const [given] = vms.filter((vmId) => vmId !== waiting.vmId);
    await world.done("cmd.vm.transfer", { vmId: given, owner: "bob" });
    await held("bob", RIBOSOMES);
    await world.reach(waiting.vmId, "running");
    await held("alice", limit);
  });

  it("charges what a received VM holds also above the limit, and takes nothing away", async () => {
    for (const vmId of ["own-4", "own-5"]) {
      await create(vmId);
      await world.done("cmd.vm.start", { vmId });
      await world.reach(vmId, "running");
      await world.done("cmd.vm.transfer", { vmId, owner: "bob" });
    }
    await held("bob", 3 * RIBOSOMES);
    expect((await ofOwner("bob")).free).toEqual({ ribosomes: 0 });
    for (const vmId of ["own-4", "own-5"])
      expect((await world.done("qry.vm.get", { vmId })).vm.state).toBe("running");
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});
