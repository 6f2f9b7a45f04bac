/**
 * Changes of a cell's medium and allocation at minutes of its simulated time: each is an event with its minute, and acts
 * there.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Json, World } from "./world.ts";

/** Records the growth rate of each minute. */
const PROGRAM =
  "state.course = state.course or {} function on_minute(c) state.course[c.sim_minutes()] = c.growth_rate() end";

let world: World;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:1" });
});
afterAll(() => world.close());

async function run(vmId: string): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", seed: 5, program: PROGRAM });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}

async function courseOf(vmId: string, from: number, to: number): Promise<Json> {
  await world.sample(vmId, (sample) => sample.simMinutes > to);
  const source = `local t = {} for i = ${from}, ${to} do t[#t + 1] = state.course[i] end return t`;
  return (await world.done("cmd.vm.exec", { vmId, source })).result;
}

it("a change acts at its minute, whenever it was commanded, and the log has that minute", async () => {
  const vms = ["medium-1", "medium-2"];
  for (const vmId of vms) await run(vmId);
  await world.done("cmd.vm.pause", { vmId: "medium-1" });
  const now = (await world.sample("medium-1", (sample) => sample.state === "paused")).simMinutes;
  const atMinute = now + 600;
  const environment = { nutrientQuality: 0.1, chloramphenicolMicromolar: 1 };
  const told = await world.done("cmd.vm.set-environment", { vmId: "medium-1", environment, atMinute });
  expect(told).toMatchObject({ changed: true, simMinute: atMinute });
  await world.done("cmd.vm.resume", { vmId: "medium-1" });
  const words = ["--nutrient", "0.1", "--chloramphenicol", "1", "--at-minute", String(atMinute)];
  expect(await world.bioxenJson("vm", "set-environment", "medium-2", ...words)).toMatchObject({
    simMinute: atMinute,
  });
  const [first, second] = [
    await courseOf("medium-1", atMinute - 50, atMinute + 100),
    await courseOf("medium-2", atMinute - 50, atMinute + 100),
  ];
  expect(first).toHaveLength(151);
  expect(second).toEqual(first);
  expect(first[150]).toBeLessThan(first[50] * 0.9);
  const { events } = await world.done("qry.vm.history", { vmId: "medium-1" });
  expect(events).toContainEqual(
    expect.objectContaining({
      type: "bioxen.vm.environment-changed.v1",
      data: expect.objectContaining({ simMinute: atMinute, environment }),
    }),
  );
});

it("without a minute it acts at once; a minute that has passed is a BAD_REQUEST", async () => {
  const vmId = "medium-3";
  await run(vmId);
  await world.done("cmd.vm.pause", { vmId });
  const { simMinutes } = await world.sample(vmId, (sample) => sample.state === "paused");
  const { simMinute } = await world.done("cmd.vm.set-environment", { vmId, environment: { substrate: 700 } });
  expect(simMinute).toBe(simMinutes);
  if (simMinutes > 0) {
    const late = { vmId, environment: { substrate: 1 }, atMinute: simMinutes - 1 };
    expect((await world.ask("cmd.vm.set-environment", late)).error.code).toBe("BAD_REQUEST");
  }
  await world.done("cmd.vm.resume", { vmId });
  const source = "return cell.environment().substrate";
  expect((await world.done("cmd.vm.exec", { vmId, source })).result).toBe(700);
  const empty = { vmId, environment: {} };
  expect((await world.ask("cmd.vm.set-environment", empty)).error.code).toBe("BAD_REQUEST");
});

it("a resize acts at its minute, and the VM holds the larger amounts until then", async () => {
  const vms = ["resize-1", "resize-2"];
  for (const vmId of vms) await run(vmId);
  await world.done("cmd.vm.pause", { vmId: "resize-1" });
  const now = (await world.sample("resize-1", (sample) => sample.state === "paused")).simMinutes;
  const atMinute = now + 600;
  const told = await world.done("cmd.vm.resize", {
    vmId: "resize-1",
    resources: { ribosomes: 100 },
    atMinute,
  });
  expect(told).toMatchObject({ changed: true, simMinute: atMinute, vm: { allocation: { ribosomes: 503 } } });
  await world.done("cmd.vm.resume", { vmId: "resize-1" });
  const words = ["--ribosomes", "100", "--at-minute", String(atMinute)];
  expect(await world.bioxenJson("vm", "resize", "resize-2", ...words)).toMatchObject({ simMinute: atMinute });
  const [first, second] = [
    await courseOf("resize-1", atMinute - 50, atMinute + 100),
    await courseOf("resize-2", atMinute - 50, atMinute + 100),
  ];
  expect(first).toHaveLength(151);
  expect(second).toEqual(first);
  expect(first[150]).toBeLessThan(first[50] * 0.9);
  const { events } = await world.done("qry.vm.history", { vmId: "resize-1" });
  expect(events).toContainEqual(
    expect.objectContaining({
      type: "bioxen.vm.resized.v1",
      data: expect.objectContaining({
        simMinute: atMinute,
        given: expect.objectContaining({ ribosomes: 100 }),
      }),
    }),
  );
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});

it("a resize without a minute acts at once; a minute needs a cell that has not passed it", async () => {
  const vmId = "resize-3";
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", seed: 5, program: PROGRAM });
  const resources = { ribosomes: 300 };
  expect((await world.ask("cmd.vm.resize", { vmId, resources, atMinute: 5 })).error).toMatchObject({
    code: "BAD_REQUEST",
    details: { problems: [{ path: "atMinute" }] },
  });
  expect(await world.done("cmd.vm.resize", { vmId, resources })).toMatchObject({
    changed: true,
    simMinute: null,
  });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
  await world.sample(vmId, (sample) => sample.simMinutes > 1);
  await world.done("cmd.vm.pause", { vmId });
  const { simMinutes } = await world.sample(vmId, (sample) => sample.state === "paused");
  const ask = { vmId, resources: { ribosomes: 250 } };
  expect((await world.ask("cmd.vm.resize", { ...ask, atMinute: 0 })).error.code).toBe("BAD_REQUEST");
  const done = await world.done("cmd.vm.resize", ask);
  expect(done).toMatchObject({ simMinute: simMinutes, vm: { allocation: { ribosomes: 250 } } });
  await world.sample(vmId, (sample) => sample.ribosomes.cap === 250);
  expect(await world.done("cmd.vm.resize", ask)).toMatchObject({ changed: false, simMinute: null });
});

it("an exec is an event with its minute and outcome, unless it is read-only", async () => {
  const vmId = "exec-1";
  await run(vmId);
  const told = await world.done("cmd.vm.exec", { vmId, source: "state.n = 7 return 1" });
  expect(told.simMinute).toBeGreaterThanOrEqual(0);
  const failed = await world.ask("cmd.vm.exec", { vmId, source: "state.n = 8 error('x')" });
  expect(failed.error.code).toBe("GUEST_ERROR");
  await world.ask("cmd.vm.exec", { vmId, source: "return return" });
  const copied = await world.done("cmd.vm.exec", {
    vmId,
    source: "state.n = 9 return state.n",
    readOnly: true,
  });
  expect(copied.result).toBe(9);
  const words = ["vm", "exec", vmId, "--read-only", "-e", "return state.n"];
  expect(await world.bioxenJson(...words)).toMatchObject({ result: 8 });
  const { events } = await world.done("qry.vm.history", { vmId });
  const executed = events.filter(({ type }: Json) => type === "bioxen.vm.executed.v1");
  expect(executed.map(({ data }: Json) => data)).toEqual([
    {
      fence: expect.any(Number),
      source: "state.n = 7 return 1",
      outcome: "OK",
      simMinute: told.simMinute,
      again: { nth: 0, afterSeq: 0 },
    },
    expect.objectContaining({ source: "state.n = 8 error('x')", outcome: "GUEST_ERROR" }),
  ]);
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});
