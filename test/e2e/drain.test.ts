/**
 * Draining a chassis: twenty VMs continue elsewhere from their state, although the scheduler is killed meanwhile. After
 * a drain that is cancelled half-way, every VM runs on exactly one allocation.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { killNow } from "./kill.ts";
import { eventually, type Json, World } from "./world.ts";

const CELLS = Array.from({ length: 20 }, (_, i) => `cell-${i + 1}`);
const PROGRAM =
  "state.minutes = state.minutes or 0 function on_minute(_, n) state.minutes = state.minutes + n end";
/** The program counts minutes in steps: at 60 minutes per second it is behind the cell by one step at most. */
const MINUTES_PER_STEP = 60;
const LONG_MS = 60_000;

let world: World;
beforeAll(async () => {
  world = await World.open({ chassis: "yeast:2" });
});
afterAll(() => world.close());

const fleet = async (): Promise<Json[]> => (await world.look("qry.vm.list", {})).vms ?? [];
/** The latest drain of the chassis. */
const drainOf = async (chassisId: string): Promise<Json> =>
  (await world.look("qry.chassis.drain", { chassisId })).drain;

/** The minutes that each cell has lived: as its program counted them, and as its clock shows them. */
async function livedMinutes(): Promise<Map<string, { minutes: number; simMinutes: number }>> {
  const source = "return {state.minutes, cell.sim_minutes()}";
  const all = CELLS.map(async (vmId) => {
    const { result } = await world.done("cmd.vm.exec", { vmId, source });
    return [vmId, { minutes: result[0], simMinutes: result[1] }] as const;
  });
  return new Map(await Promise.all(all));
}

/**
 * Waits until every VM runs, none moves, and each has one committed allocation, on its own chassis. Returns the VMs.
 */
async function atRest(): Promise<Json[]> {
  return eventually(
    "every VM runs on one allocation",
    async () => {
      const vms = await fleet();
      const { ledgers } = await world.look("qry.ledger.list", {});
      const held = ledgers?.flatMap((l: Json) =>
        l.entries.map((e: Json) => `${e.vmId} ${l.chassisId} ${e.phase}`),
      );
      const wanted = vms.map((vm) => `${vm.vmId} ${vm.chassisId} committed`);
      const isSettled = vms.every((vm) => vm.state === "running" && vm.migration === null);
      const isSame = JSON.stringify(held?.toSorted()) === JSON.stringify(wanted.toSorted());
      return vms.length === CELLS.length && isSettled && isSame ? vms : undefined;
    },
    LONG_MS,
  );
}

/** Checks the whole log and all ledgers. */
async function expectNoViolation(): Promise<void> {
  const [events, ledger] = [
    await world.bioxenJson("events", "verify"),
    await world.bioxenJson("ledger", "verify"),
  ];
  expect(events.violations).toEqual([]);
  expect(ledger.violations).toEqual([]);
}

it("a drain moves twenty running VMs with their states, although the scheduler is killed meanwhile", {
  timeout: 2 * LONG_MS,
}, async () => {
  await world.done("cmd.chassis.cordon", { chassisId: "yeast-2" });
  await Promise.all(
    CELLS.map(async (vmId) => {
      await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", seed: 7, program: PROGRAM });
      await world.done("cmd.vm.start", { vmId });
    }),
  );
  expect((await atRest()).every((vm) => vm.chassisId === "yeast-1")).toBe(true);
  await world.sample("cell-20", (s) => s.divisions >= 1);
  const before = await livedMinutes();
  await world.done("cmd.chassis.uncordon", { chassisId: "yeast-2" });

  await world.done("cmd.chassis.drain", { chassisId: "yeast-1", parallelism: 2, deadlineMs: LONG_MS });
  await eventually(
    "three VMs have moved",
    async () => ((await drainOf("yeast-1"))?.moved >= 3 ? true : undefined),
    LONG_MS,
  );
  const scheduler = world.stack.services().find((service) => service.name === "chassis-scheduler");
  killNow(scheduler?.pid);
  const drained = await eventually(
    "the drain has ended",
    async () => {
      const drain = await drainOf("yeast-1");
      return drain && drain.status !== "draining" ? drain : undefined;
    },
    LONG_MS,
  );
  expect(drained).toMatchObject({ status: "completed", moved: CELLS.length, remaining: 0 });
  expect(new Set(drained.vms.map((vm: Json) => vm.toChassisId))).toEqual(new Set(["yeast-2"]));
  expect((await atRest()).every((vm) => vm.chassisId === "yeast-2")).toBe(true);

  const after = await livedMinutes();
  for (const vmId of CELLS) {
    const [was, is] = [before.get(vmId), after.get(vmId)];
    const { events } = await world.done("qry.vm.history", { vmId });
    const types = events.map((e: Json) => e.type);
    expect(
      types.filter((type: string) => /displaced|failed|restarted/.test(type)),
      vmId,
    ).toEqual([]);
    const moved = events.filter((e: Json) => e.type === "bioxen.vm.moved.v1");
    expect(moved, `${vmId} moved once`).toHaveLength(1);
    const { simMinutes } = moved[0].data.checkpoint;
    expect(simMinutes, `${vmId} was handed over with all its minutes`).toBeGreaterThanOrEqual(
      was?.simMinutes ?? Infinity,
    );
    expect(is?.minutes, `${vmId} continues from its checkpoint`).toBeGreaterThanOrEqual(
      simMinutes - MINUTES_PER_STEP,
    );
    const lag = (is?.simMinutes ?? 0) - (is?.minutes ?? 0);
    expect(lag, `the program of ${vmId} counted every minute once`).toBeGreaterThanOrEqual(0);
    expect(lag, `the program of ${vmId} counted every minute once`).toBeLessThanOrEqual(MINUTES_PER_STEP);
    const sample = await world.sample(vmId, (s) => s.chassisId === "yeast-2");
    // A syn3a doubles in 105 min on any chassis: its divisions must match its whole simulated time.
    expect(Math.abs(sample.divisions - sample.simMinutes / 105), vmId).toBeLessThan(1.5);
  }
  const { chassis } = await world.done("qry.chassis.get", { chassisId: "yeast-1" });
  expect(chassis.cordoned).toBe(true);
  await expectNoViolation();
});

it("a drain without room elsewhere ends at its deadline, and names each remaining VM with the reason", {
  timeout: LONG_MS,
}, async () => {
  const ended = await world.bioxen("chassis", "drain", "yeast-2", "--deadline", "1", "--wait", "--json");
  expect(ended.code).toBe(1);
  const { drain } = JSON.parse(ended.stdout);
  expect(drain).toMatchObject({ status: "incomplete", moved: 0, remaining: CELLS.length });
  expect(drain.vms[0]).toMatchObject({ status: "remains", reason: expect.stringContaining("is cordoned") });
  expect((await atRest()).every((vm) => vm.chassisId === "yeast-2")).toBe(true);
  await world.done("cmd.chassis.uncordon", { chassisId: "yeast-2" });
});

it("a drain that is cancelled half-way leaves every VM running on one of the two chassis", {
  timeout: 2 * LONG_MS,
}, async () => {
  const begun = await world.done("cmd.chassis.drain", { chassisId: "yeast-2", parallelism: 1 });
  expect(begun).toMatchObject({
    changed: true,
    chassis: { cordoned: true },
    drain: { status: "draining", remaining: 20 },
  });
  expect((await world.ask("cmd.chassis.uncordon", { chassisId: "yeast-2" })).error.code).toBe("CONFLICT");
  await world.done("cmd.chassis.uncordon", { chassisId: "yeast-1" });
  await eventually(
    "three VMs have moved",
    async () => ((await drainOf("yeast-2"))?.moved >= 3 ? true : undefined),
    LONG_MS,
  );
  const { drain } = await world.done("cmd.chassis.cancel-drain", { chassisId: "yeast-2" });
  expect(drain.status).toBe("cancelled");
  const vms = await atRest();
  const homes = new Set(vms.map((vm) => vm.chassisId));
  expect(homes).toEqual(new Set(["yeast-1", "yeast-2"]));
  await eventually("yeast-2 is uncordoned", async () =>
    (await world.look("qry.chassis.get", { chassisId: "yeast-2" })).chassis?.cordoned === false
      ? true
      : undefined,
  );
  await expectNoViolation();
});
