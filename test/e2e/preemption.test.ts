/**
 * Priority preemption by the command line: who gives way, how it is told, and how it comes back.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

let world: World;
beforeAll(async () => {
  // Offers 22 355 ribosomes and 10 200 kb.
  world = await World.open({ chassis: "ecoli:1" });
});
afterAll(() => world.close());

const create = async (vmId: string, ...options: string[]) => {
  const created = await world.bioxen("vm", "create", vmId, "--type", "syn3a", ...options);
  expect(created, created.stderr).toMatchObject({ code: 0 });
  await world.done("cmd.vm.start", { vmId });
};
const vmOf = async (vmId: string): Promise<Json> => (await world.bioxenJson("vm", "show", vmId)).vm;
const history = async (vmId: string): Promise<Json[]> =>
  (await world.bioxenJson("vm", "history", vmId)).events;
const preempted = (vmId: string) =>
  eventually(`${vmId} gave way`, async () => {
    const { vm } = await world.look("qry.vm.get", { vmId });
    return vm?.preemption?.active ? vm : undefined;
  });
const whole = (vmId: string) =>
  eventually(`${vmId} has everything again`, async () => {
    const { vm } = await world.look("qry.vm.get", { vmId });
    return vm?.state === "running" && vm.allocation?.ribosomes === vm.request.ribosomes ? vm : undefined;
  });
const destroy = async (...vmIds: string[]) => {
  for (const vmId of vmIds) {
    await world.done("cmd.vm.destroy", { vmId });
    await world.reach(vmId, "destroyed");
  }
};

describe("a chassis that is full of low priorities", () => {
  it("makes room for a high one by starving what has less guaranteed, which comes back", async () => {
    await create("low-1", "--ribosomes", "12000", "--guarantee", "ribosomes=10%");
    await create("low-2", "--ribosomes", "10000");
    await Promise.all(["low-1", "low-2"].map((vmId) => world.reach(vmId, "running")));
    const equal = await world.bioxenJson("vm", "plan", "--ribosomes", "11000");
    expect(equal).toMatchObject({ placements: [], preemptions: [] });
    const planned = await world.bioxenJson("vm", "plan", "--ribosomes", "11000", "--priority", "4");
    expect(planned.preemptions).toMatchObject([
      { chassisId: "ecoli-1", victims: [{ vmId: "low-1", mode: "starve", frees: { ribosomes: 11_949 } }] },
    ]);
    await create("urgent", "--ribosomes", "11000", "--priority", "4");
    await world.reach("urgent", "running");
    expect(await preempted("low-1")).toMatchObject({ state: "running", allocation: { ribosomes: 51 } });
    expect(await vmOf("low-2")).toMatchObject({ state: "running", preemption: null });
    await world.sample("low-1", (sample) => sample.ribosomes.cap === 51);

    const told = (await world.bioxen("vm", "history", "low-1")).stdout;
    expect(told).toMatch(
      /starved: ecoli-1 had too little for urgent \(priority 4\): ribosomes 11000 asked, 355 free/,
    );
    expect(told, "in the chain of what it gave way to").toMatch(/because vm urgent wanted to run at #\d+/);
    const events = await history("low-1");
    const event = events.find((one) => one.type === "bioxen.vm.preempted.v1");
    expect(event?.data).toMatchObject({ mode: "starve", by: "urgent", byPriority: 4 });
    expect(event?.causedBy).toMatchObject({ subject: "vm/urgent", type: "bioxen.vm.start-requested.v1" });
    expect((await world.bioxen("vm", "explain", "urgent")).stdout).toMatch(
      /low-1 gave way to it \(starve, #\d+\)/,
    );
    expect((await world.bioxenJson("vm", "explain", "urgent")).preempted).toMatchObject([
      { vmId: "low-1", mode: "starve", active: true },
    ]);
    expect((await world.bioxen("vm", "explain", "low-1")).stdout).toMatch(
      /low-1: it runs on less for urgent \(priority 4\): ecoli-1 had too little for urgent/,
    );

    await destroy("urgent");
    expect(await whole("low-1")).toMatchObject({ preemption: { active: false }, reason: null });
    await world.sample("low-1", (sample) => sample.ribosomes.cap === 12_000);
    expect((await history("low-1")).at(-1)).toMatchObject({ type: "bioxen.vm.reinstated.v1" });
    await destroy("low-1", "low-2");
  });

  it("pauses where nothing less will do: its place is kept, its user's pause as well, and a resume needs room", async () => {
    await create("low-1", "--ribosomes", "20000");
    await world.reach("low-1", "running");
    await create("urgent", "--ribosomes", "20000", "--priority", "2");
    await world.reach("urgent", "running");
    const held = await preempted("low-1");
    expect(held).toMatchObject({
      state: "paused",
      chassisId: "ecoli-1",
      allocation: { ribosomes: 0, dnaKilobases: 543 },
    });
    await world.sample("low-1", (sample) => sample.state === "paused");
    const resume = await world.ask("cmd.vm.resume", { vmId: "low-1" });
    expect(resume.error).toMatchObject({
      code: "CAPACITY_EXCEEDED",
      details: { resource: "ribosomes", requested: 20_000, free: 2_355 },
    });
    expect(await world.done("cmd.vm.pause", { vmId: "low-1" })).toMatchObject({ changed: true });
    expect(await world.done("cmd.vm.pause", { vmId: "low-1" })).toMatchObject({ changed: false });
    await destroy("urgent");
    const back = await eventually("low-1 has its room back", async () => {
      const vm = await vmOf("low-1");
      return vm.allocation.ribosomes === 20_000 ? vm : undefined;
    });
    expect(back).toMatchObject({ state: "paused", preemption: { active: false } });
    await world.done("cmd.vm.resume", { vmId: "low-1" });
    await world.sample("low-1", (sample) => sample.state === "running" && sample.ribosomes.cap === 20_000);
    await destroy("low-1");
  });

  it("evicts where genome space lacks, never an equal; who was evicted waits, and comes back", async () => {
    for (const vmId of ["low-1", "low-2"])
      await create(vmId, "--dna", "5000", "--priority", vmId === "low-1" ? "2" : "1");
    await Promise.all(["low-1", "low-2"].map((vmId) => world.reach(vmId, "running")));
    await create("urgent", "--dna", "5000", "--priority", "2");
    await world.reach("urgent", "running");
    expect(await world.reach("low-2", "pending")).toMatchObject({ allocation: null });
    expect(await vmOf("low-1")).toMatchObject({ state: "running", preemption: null });
    const told = (await world.bioxen("vm", "history", "low-2")).stdout;
    expect(told).toMatch(
      /evicted from ecoli-1: ecoli-1 had too little for urgent \(priority 2\): dnaKilobases 5000 asked, 200 free/,
    );
    expect((await world.bioxen("vm", "explain", "low-2")).stdout).toMatch(
      /it was evicted and waits for a place for urgent/,
    );
    await destroy("urgent");
    await whole("low-2");
    await destroy("low-1", "low-2");
  });

  it("refuses a guarantee that cannot be one, and names every problem", async () => {
    const guarantee = { ribosomes: 600, dnaKilobases: "50%", vcpus: 1 };
    const refused = await world.ask("cmd.vm.create", { biologicalType: "syn3a", guarantee });
    expect(refused.error.code).toBe("BAD_REQUEST");
    expect(refused.error.details.problems.map((problem: Json) => problem.path).sort()).toEqual([
      "guarantee.dnaKilobases",
      "guarantee.ribosomes",
      "guarantee.vcpus",
    ]);
  });

  it("leaves a log in which every rule was kept", async () => {
    expect(await world.bioxenJson("events", "verify")).toMatchObject({ violations: [] });
  });
});
