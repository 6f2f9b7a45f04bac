/**
 * Programs of users act again at their minutes when their guest continues from an earlier minute: the course of a cell
 * whose agent was killed is that of a cell whose agent was not.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { killNow } from "./kill.ts";
import { eventually, type Json, World } from "./world.ts";

/** Records the growth rate of each minute. */
const PROGRAM =
  "state.course = state.course or {} function on_minute(c) state.course[c.sim_minutes()] = c.growth_rate() end";

let world: World;
beforeAll(async () => {
  // Without checkpoints, a guest continues from its beginning.
  process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"] = "0";
  world = await World.open({ chassis: "ecoli:1", timeScale: 20 });
});
afterAll(async () => {
  delete process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"];
  await world.close();
});

async function courseOf(vmId: string, to: number): Promise<number[]> {
  await world.sample(vmId, (sample) => sample.simMinutes > to);
  const source = `local t = {} for i = 1, ${to} do t[i] = state.course[i] end return t`;
  return (await world.done("cmd.vm.exec", { vmId, source, readOnly: true })).result;
}

it("after a kill of the agent, a cell has the course that it had, with the programs that ran in it", async () => {
  const vms = ["again-1", "again-2"];
  const schedule = [
    { atMinute: 40, environment: { nutrientQuality: 0.4 } },
    { atMinute: 20, resources: { ribosomes: 200 } },
    { atMinute: 45, resources: { ribosomes: "80%" } },
  ];
  for (const vmId of vms) {
    const more = vmId === "again-1" ? { schedule } : {};
    await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", seed: 5, program: PROGRAM, ...more });
    await world.done("cmd.vm.start", { vmId });
    await world.reach(vmId, "running");
  }
  const sources = [
    "state.level = 0.1 + math.random() / 10",
    "cell.set_environment{nutrient_quality = state.level}",
    "cell.set_environment{chloramphenicol_um = 1} error('too late')",
  ];
  let last = 0;
  for (const source of sources) {
    const { simMinute, error } = await world.ask("cmd.vm.exec", { vmId: "again-1", source });
    last = simMinute ?? error.details.simMinute;
  }
  const to = last + 60;
  const before = await courseOf("again-1", to);
  expect(before).toHaveLength(to);
  expect(before, "the programs changed the cell").not.toEqual(await courseOf("again-2", to));
  const agent = world.stack.services().find((service) => service.name === "chassis-agent");
  killNow(agent?.pid);
  await eventually(
    "the guest of again-1 starts again",
    async () => {
      const { events } = await world.done("qry.vm.history", { vmId: "again-1" });
      const starts = events.filter(({ type }: Json) => /guest-restarted|[.]started/.test(type));
      return starts.length > 1 || undefined;
    },
    120_000,
  );
  expect(await courseOf("again-1", to)).toEqual(before);
  const { events } = await world.done("qry.vm.history", { vmId: "again-1" });
  const executed = events.filter(({ type }: Json) => type === "bioxen.vm.executed.v1");
  expect(executed.map(({ data }: Json) => [data.source, data.outcome])).toEqual(
    sources.map((source, i) => [source, i === 2 ? "GUEST_ERROR" : "OK"]),
  );
  const { vm } = await world.done("qry.vm.get", { vmId: "again-1" });
  expect(vm).toMatchObject({
    allocation: { ribosomes: 503 },
    schedule: [{ atMinute: 0 }, ...[20, 40, 45].map((atMinute) => ({ atMinute }))],
  });
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});

it("a schedule acts as the same changes by command, and acts again after a restore", async () => {
  const changes = [
    { atMinute: 400, environment: { nutrientQuality: 0.2 } },
    { atMinute: 440, resources: { ribosomes: 200 } },
  ];
  const base = { biologicalType: "syn3a", seed: 5, program: PROGRAM };
  await world.done("cmd.vm.create", { vmId: "plan-1", ...base, schedule: changes });
  await world.done("cmd.vm.create", { vmId: "plan-2", ...base });
  for (const vmId of ["plan-1", "plan-2"]) {
    await world.done("cmd.vm.start", { vmId });
    await world.reach(vmId, "running");
    await world.done("cmd.vm.pause", { vmId });
  }
  await world.done("cmd.vm.set-environment", { vmId: "plan-2", ...changes[0] });
  await world.done("cmd.vm.resize", { vmId: "plan-2", ...changes[1] });
  await world.done("cmd.vm.snapshot", { vmId: "plan-1", snapshotId: "early" });
  for (const vmId of ["plan-1", "plan-2"]) await world.done("cmd.vm.resume", { vmId });
  const wanted = await courseOf("plan-2", 480);
  expect(await courseOf("plan-1", 480)).toEqual(wanted);
  await world.done("cmd.vm.restore", { vmId: "plan-1", snapshotId: "early" });
  await world.sample("plan-1", (sample) => sample.simMinutes < 400);
  expect(await courseOf("plan-1", 480)).toEqual(wanted);
  expect(await courseOf("again-2", 480), "without a schedule").not.toEqual(wanted);
  const words = ["vm", "show", "plan-1"];
  expect((await world.bioxen(...words)).stdout).toMatch(
    /schedule +at 0 min: .*\n +at 6 h 40 min: nutrientQuality 0.2/,
  );
  const wrong = [{ atMinute: -1, environment: {} }, { atMinute: 5 }];
  const { error } = await world.ask("cmd.vm.create", { vmId: "plan-3", ...base, schedule: wrong });
  expect(error.details.problems.map(({ path }: Json) => path)).toEqual([
    "schedule.0.atMinute",
    "schedule.0.environment",
    "schedule.1",
  ]);
});
