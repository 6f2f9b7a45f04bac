/**
 * Preemption by priority: which VMs are preempted, how the command line explains it, and how they are reinstated.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

let world: World;
beforeAll(async () => {
  // The chassis offers 22 355 ribosomes and 10 200 kb.
  world = await World.shared({ chassis: "ecoli:1" });
});
afterAll(() => world.close());

/** Creates and starts a VM through the subjects, which is faster than the command line. */
const start = async (vmId: string, request: object) => {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", ...request });
  await world.done("cmd.vm.start", { vmId });
};
const vmOf = async (vmId: string): Promise<Json> => (await world.done("qry.vm.get", { vmId })).vm;
/** The text that the command prints. */
const shown = async (...args: string[]) => (await world.bioxen(...args)).stdout;
/** The VM once `holds` is true for it. */
const vmThat = (vmId: string, what: string, holds: (vm: Json) => boolean): Promise<Json> =>
  eventually(`${vmId} ${what}`, async () => {
    const { vm } = await world.look("qry.vm.get", { vmId });
    return vm && holds(vm) ? vm : undefined;
  });
const preempted = (vmId: string) => vmThat(vmId, "is preempted", (vm) => vm.preemption?.active === true);
const reinstated = (vmId: string) =>
  vmThat(vmId, "is reinstated", ({ allocation, request }) => allocation?.ribosomes === request.ribosomes);
const destroy = async (...vmIds: string[]) => {
  await Promise.all(vmIds.map((vmId) => world.done("cmd.vm.destroy", { vmId })));
  await Promise.all(vmIds.map((vmId) => world.reach(vmId, "destroyed")));
};

describe("a chassis that is full of low-priority VMs", () => {
  it("starves a VM with a low guarantee for one of higher priority, and reinstates it afterwards", async () => {
    const options = ["--ribosomes", "12000", "--guarantee", "ribosomes=10%"];
    const created = await world.bioxen("vm", "create", "lean", "--type", "syn3a", ...options);
    expect(created, created.stderr).toMatchObject({ code: 0 });
    await world.done("cmd.vm.start", { vmId: "lean" });
    await start("stout", { resources: { ribosomes: 10_000 } });
    await Promise.all(["lean", "stout"].map((vmId) => world.reach(vmId, "running")));
    const wanted = { biologicalType: "syn3a", resources: { ribosomes: 11_000 } };
    expect(await world.done("qry.placement.plan", wanted)).toMatchObject({ placements: [], preemptions: [] });
    expect(await shown("vm", "plan", "--ribosomes", "11000", "--priority", "4")).toContain(
      "new-vm would get room on ecoli-1 by preemption: starve lean (priority 1)",
    );

    await start("urgent", { ...wanted, priority: 4 });
    await world.reach("urgent", "running");
    expect(await preempted("lean")).toMatchObject({ state: "running", allocation: { ribosomes: 51 } });
    expect(await vmOf("stout")).toMatchObject({ state: "running", preemption: null });
    await world.sample("lean", (sample) => sample.ribosomes.cap === 51);

    const history = await shown("vm", "history", "lean");
    expect(history).toMatch(
      /starved: ecoli-1 had too little room for urgent \(priority 4\): ribosomes 11000 requested, 355 free/,
    );
    expect(history, "the history names the cause").toMatch(
      /because vm urgent was requested to start at #\d+/,
    );
    expect(await shown("vm", "explain", "urgent")).toMatch(
      /lean was preempted for it \(starve, #\d+\), still preempted/,
    );
    expect(await shown("vm", "explain", "lean")).toMatch(
      /lean: it was starved for urgent \(priority 4\): ecoli-1 had too little room for urgent/,
    );

    await destroy("urgent");
    expect(await reinstated("lean")).toMatchObject({
      state: "running",
      preemption: { active: false },
      reason: null,
    });
    await world.sample("lean", (sample) => sample.ribosomes.cap === 12_000);
    expect(await shown("vm", "history", "lean")).toMatch(/reinstated: running, holds .*ribosomes 12000/);
    await destroy("lean", "stout");
  });

  it("pauses a VM if starving is not enough; a resume needs room, and a pause by the user outlasts the preemption", async () => {
    await start("held", { resources: { ribosomes: 20_000 } });
    await world.reach("held", "running");
    await start("above", { resources: { ribosomes: 20_000 }, priority: 2 });
    await world.reach("above", "running");
    expect(await preempted("held")).toMatchObject({
      state: "paused",
      chassisId: "ecoli-1",
      allocation: { ribosomes: 0, dnaKilobases: 543 },
    });
    await world.sample("held", (sample) => sample.state === "paused");
    const resume = await world.ask("cmd.vm.resume", { vmId: "held" });
    expect(resume.error).toMatchObject({
      code: "CAPACITY_EXCEEDED",
      details: { resource: "ribosomes", requested: 20_000, free: 2_355 },
    });
    expect(await world.done("cmd.vm.pause", { vmId: "held" })).toMatchObject({ changed: true });
    expect(await world.done("cmd.vm.pause", { vmId: "held" })).toMatchObject({ changed: false });
    await destroy("above");
    expect(await reinstated("held")).toMatchObject({ state: "paused", preemption: { active: false } });
    await world.done("cmd.vm.resume", { vmId: "held" });
    await world.sample("held", (sample) => sample.state === "running" && sample.ribosomes.cap === 20_000);
    await destroy("held");
  });

  it("evicts a VM of lower, never of equal priority for genome space; the evicted VM waits and runs again", async () => {
    // The chassis has room for two genomes of E. coli, and ample room for the rest of what three small cells request.
    const resources = { ribosomes: "1%", rnaPolymerases: "1%", atpPerSecond: "1%" };
    const large = { biologicalType: "ecoli", resources };
    await start("equal", { ...large, priority: 2 });
    await start("lower", large);
    await Promise.all(["equal", "lower"].map((vmId) => world.reach(vmId, "running")));
    await start("mover", { ...large, priority: 2 });
    await world.reach("mover", "running");
    expect(await world.reach("lower", "pending")).toMatchObject({ allocation: null });
    expect(await vmOf("equal")).toMatchObject({ state: "running", preemption: null });
    expect(await shown("vm", "history", "lower")).toMatch(
      /evicted from ecoli-1: ecoli-1 had too little room for mover \(priority 2\): dnaKilobases 4642 requested, 916 free/,
    );
    expect(await shown("vm", "explain", "lower")).toMatch(/lower: it was evicted for mover \(priority 2\)/);
    await destroy("mover");
    expect(await world.reach("lower", "running")).toMatchObject({ preemption: { active: false } });
    await destroy("equal", "lower");
  });

  it("rejects an invalid guarantee, and names every problem", async () => {
    const guarantee = { ribosomes: 600, dnaKilobases: "50%", vcpus: 1 };
    const refused = await world.ask("cmd.vm.create", { biologicalType: "syn3a", guarantee });
    expect(refused.error.code).toBe("BAD_REQUEST");
    expect(refused.error.details.problems.map((problem: Json) => problem.path).sort()).toEqual([
      "guarantee.dnaKilobases",
      "guarantee.ribosomes",
      "guarantee.vcpus",
    ]);
  });

  it("leaves a log without violations", async () => {
    expect(await world.bioxenJson("events", "verify")).toMatchObject({ violations: [] });
  });
});
