/**
 * The last minute of a cell on a real stack: through kills of the agent, restores, resumes and starts.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const LAST = 95;

let world: World;
beforeAll(async () => {
  process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"] = "1000";
  world = await World.open({ keys: true, chassis: "ecoli:1", timeScale: 30 });
});
afterAll(async () => {
  delete process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"];
  await world.close();
});

const viewOf = async (vmId: string): Promise<Json> => (await world.done("qry.vm.get", { vmId })).vm;
const reaches = (vmId: string) =>
  eventually(`${vmId} reaches its last minute`, async () => {
    const vm = await viewOf(vmId);
    return vm.until.reached && vm.state !== "stopping" ? vm : undefined;
  });
const rowsOf = async (vmId: string): Promise<number[][]> =>
  (await world.done("qry.course.get", { vmId, fields: ["r"] })).rows;
const reachedEvents = async (vmId: string): Promise<Json[]> => {
  const { events } = await world.done("qry.vm.history", { vmId });
  return events
    .filter(({ type }: Json) => type === "bioxen.vm.until-reached.v1")
    .map(({ data }: Json) => data);
};

it("a cell stops at exactly its last minute, after a kill of its agent too, and has all its rows", async () => {
  const vmId = "until-1";
  const create = [vmId, "--seed", "3", "--record-every", "5", "--restart", "always", "--until", `${LAST}`];
  expect((await world.bioxen("vm", "create", ...create, "--start")).code).toBe(0);
  await world.sample(vmId, (sample) => sample.simMinutes >= 20);
  await world.done("cmd.vm.snapshot", { vmId, snapshotId: "early" });
  await world.killAgent();
  const there = { simMinutes: LAST, then: "pause", reached: true };
  expect(await reaches(vmId)).toMatchObject({
    state: "paused",
    until: there,
    checkpoint: { simMinutes: LAST },
  });
  const minutes = Array.from({ length: LAST / 5 + 1 }, (_, i) => 5 * i);
  expect((await rowsOf(vmId)).map(([minute]) => minute)).toEqual(minutes);
  expect(await reachedEvents(vmId)).toMatchObject([{ simMinute: LAST, then: "pause" }]);
  expect((await world.bioxen("vm", "show", vmId)).stdout).toMatch(/until +1 h 35 min, reached/);
  await world.killAgent();
  await world.sample(vmId, (sample) => sample.state === "paused" && sample.simMinutes === LAST);
  const before = await rowsOf(vmId);
  await world.done("cmd.vm.restore", { vmId, snapshotId: "early" });
  expect(await viewOf(vmId)).toMatchObject({ state: "paused", until: { reached: false } });
  await world.done("cmd.vm.resume", { vmId });
  await reaches(vmId);
  const rows = (await rowsOf(vmId)).filter(([, branch]) => branch === 1);
  expect(rows.at(-1)).toEqual([LAST, 1, ...(before.at(-1)?.slice(2) ?? [])]);
  await world.done("cmd.vm.resume", { vmId });
  await world.sample(vmId, (sample) => sample.simMinutes > LAST + 10);
  await world.killAgent();
  await world.sample(vmId, (sample) => sample.simMinutes > LAST + 20);
  await world.done("cmd.vm.pause", { vmId });
  const again = await world.bioxenJson("vm", "rerun", vmId);
  expect(again).toMatchObject({ ok: true, difference: null });
  expect(again.rows).toBeGreaterThanOrEqual(before.length + rows.length);
  // The states of the last minute, of which its host owes the cell nothing.
  expect(again.states).toBeGreaterThan(0);
  await world.done("cmd.vm.resume", { vmId });
  expect(await viewOf(vmId)).toMatchObject({ state: "running", until: there });
  expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
});

it("a VM stops there whatever its restart policy is, and a start lets a new cell live until then", async () => {
  const vmId = "until-2";
  await world.done("cmd.vm.create", {
    vmId,
    biologicalType: "syn3a",
    seed: 3,
    program: "function on_minute(c) state.last = c.sim_minutes() print(state.last) end",
    record: { everyMinutes: LAST },
    restartPolicy: { mode: "always", maxAttempts: 5, backoffMs: 1 },
    until: { simMinutes: LAST, then: "stop" },
  });
  for (const count of [1, 2]) {
    await world.done("cmd.vm.start", { vmId });
    await world.reach(vmId, "running");
    expect(await reaches(vmId)).toMatchObject({ state: "stopped", reason: expect.stringMatching(/95/) });
    expect((await rowsOf(vmId)).map(([minute]) => minute)).toEqual(Array(count).fill([0, LAST]).flat());
    expect(await reachedEvents(vmId)).toHaveLength(count);
  }
});

it("refuses a last minute that is none, and one of a machine", async () => {
  const base = { biologicalType: "syn3a" };
  const { error } = await world.ask("cmd.vm.create", { ...base, until: { simMinutes: 0, then: "end" } });
  expect(error.details.problems.map(({ path }: Json) => path)).toEqual(["until.simMinutes", "until.then"]);
  const until = { simMinutes: 5, then: "stop" };
  const machine = await world.ask("cmd.vm.create", { ...base, vmType: "xcpng", until });
  expect(machine.error.details.problems).toEqual([
    { path: "until", message: expect.stringMatching(/for cells/) },
  ]);
});
