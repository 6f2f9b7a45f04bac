/**
 * A chassis is drained: twenty cells go on elsewhere from where they were, through the death of the scheduler that drains; and a drain
 * that is cancelled half-way leaves a fleet in which everything is accounted for.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const CELLS = Array.from({ length: 20 }, (_, i) => `cell-${i + 1}`);
const PROGRAM =
  "state.minutes = state.minutes or 0 function on_minute(_, n) state.minutes = state.minutes + n end";
/** The program counts minutes in steps: at 60 minutes a second it is behind the cell by one step at most. */
const MINUTES_A_STEP = 60;
const LONG_MS = 60_000;

let world: World;
beforeAll(async () => {
  world = await World.open({ chassis: "yeast:2" });
});
afterAll(() => world.close());

const fleet = async (): Promise<Json[]> => (await world.look("qry.vm.list", {})).vms ?? [];
const drainOf = async (chassisId: string): Promise<Json> =>
  (await world.look("qry.chassis.drain", { chassisId })).drain;

/** What each cell has lived, by its own account and by its clock. */
async function lives(): Promise<Map<string, { minutes: number; simMinutes: number }>> {
  const source = "return {state.minutes, cell.sim_minutes()}";
  const all = CELLS.map(async (vmId) => {
    const { result } = await world.done("cmd.vm.exec", { vmId, source });
    return [vmId, { minutes: result[0], simMinutes: result[1] }] as const;
  });
  return new Map(await Promise.all(all));
}

/** Every VM runs where it says, with one allocation there and none elsewhere, and nobody is on the way. */
async function atRest(): Promise<Json[]> {
  return eventually(
    "everybody runs on one allocation",
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

async function nothingIsWrong(): Promise<void> {
  const [events, ledger] = [
    await world.bioxenJson("events", "verify"),
    await world.bioxenJson("ledger", "verify"),
  ];
  expect(events.violations).toEqual([]);
  expect(ledger.violations).toEqual([]);
}

it("moves twenty running cells with their states, whoever dies meanwhile", {
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
  const before = await lives();
  await world.done("cmd.chassis.uncordon", { chassisId: "yeast-2" });

  await world.done("cmd.chassis.drain", { chassisId: "yeast-1", parallelism: 2, deadlineMs: LONG_MS });
  await eventually(
    "some have moved",
    async () => ((await drainOf("yeast-1"))?.moved >= 3 ? true : undefined),
    LONG_MS,
  );
  const scheduler = world.stack.services().find((service) => service.name === "chassis-scheduler");
  process.kill(scheduler?.pid ?? -1, "SIGKILL");
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

  const after = await lives();
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
    expect(simMinutes, `${vmId} was handed over with what it had lived`).toBeGreaterThanOrEqual(
      was?.simMinutes ?? Infinity,
    );
    expect(is?.minutes, `${vmId} goes on from there`).toBeGreaterThanOrEqual(simMinutes - MINUTES_A_STEP);
    const lag = (is?.simMinutes ?? 0) - (is?.minutes ?? 0);
    expect(lag, `${vmId} lived every minute once`).toBeGreaterThanOrEqual(0);
    expect(lag, `${vmId} lived every minute once`).toBeLessThanOrEqual(MINUTES_A_STEP);
    const sample = await world.sample(vmId, (s) => s.chassisId === "yeast-2");
    // It doubles in 105 min wherever it is: what it divided is what its whole life comes to.
    expect(Math.abs(sample.divisions - sample.simMinutes / 105), vmId).toBeLessThan(1.5);
  }
  const { chassis } = await world.done("qry.chassis.get", { chassisId: "yeast-1" });
  expect(chassis.cordoned).toBe(true);
  await nothingIsWrong();
});

it("that nobody has room for is given up at its deadline, and says who remains and why", {
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

it("that is cancelled half-way leaves everybody running somewhere", { timeout: 2 * LONG_MS }, async () => {
  const begun = await world.done("cmd.chassis.drain", { chassisId: "yeast-2", parallelism: 1 });
  expect(begun).toMatchObject({
    changed: true,
    chassis: { cordoned: true },
    drain: { status: "draining", remaining: 20 },
  });
  expect((await world.ask("cmd.chassis.uncordon", { chassisId: "yeast-2" })).error.code).toBe("CONFLICT");
  await world.done("cmd.chassis.uncordon", { chassisId: "yeast-1" });
  await eventually(
    "some have moved",
    async () => ((await drainOf("yeast-2"))?.moved >= 3 ? true : undefined),
    LONG_MS,
  );
  const { drain } = await world.done("cmd.chassis.cancel-drain", { chassisId: "yeast-2" });
  expect(drain.status).toBe("cancelled");
  const vms = await atRest();
  const homes = new Set(vms.map((vm) => vm.chassisId));
  expect(homes).toEqual(new Set(["yeast-1", "yeast-2"]));
  await eventually("it takes VMs again", async () =>
    (await world.look("qry.chassis.get", { chassisId: "yeast-2" })).chassis?.cordoned === false
      ? true
      : undefined,
  );
  await nothingIsWrong();
});
