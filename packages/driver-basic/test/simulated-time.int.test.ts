/**
 * A cell with a controller in Lua has one course: at every time scale, through pauses, checkpoints and lost workers.
 */

import { type DriverError, driverErrorCode, type GuestChange, type ProgramPlace } from "@bioxen/vm-driver";
import { afterEach, describe, expect, it } from "vitest";
import type { BasicDriver } from "../src/index.ts";
import { cellSpec, Fleet } from "./fleet.ts";

/** Acts on the cell by its measurements, by random numbers and at divisions, and records the course. */
const CONTROLLER = `
  state.course = state.course or {}
  function on_minute(c, passed)
    state.course[#state.course + 1] = c.growth_rate()
    if c.sim_minutes() % 7 == 0 then
      c.set_environment{nutrient_quality = 0.2 + 0.6 * math.random(), chloramphenicol_um = #state.course % 5}
    elseif c.health() < 50 then
      c.set_environment{nutrient_quality = 0.9, chloramphenicol_um = 0}
    end
  end
  function on_division(c, n)
    state.divisions = (state.divisions or 0) + n
    c.set_environment{substrate = 5000 + 100 * state.divisions}
  end`;
const MINUTES = 300;
const WITH_NOISE = { program: CONTROLLER, biologicalType: "ecoli", config: { partitionNoise: true } };

const fleets: Fleet[] = [];
afterEach(async () => {
  for (const fleet of fleets.splice(0)) await fleet.driver.close();
});
/** Returns a fleet whose worker runs: a program has not the time for its start on a busy machine. */
async function fleet(timeScaleMinutesPerSecond: number, workerUrl?: URL): Promise<Fleet> {
  const made = new Fleet({ timeScaleMinutesPerSecond, workerUrl });
  fleets.push(made);
  await made.start("bad");
  await made.value("bad", "return 1");
  return made;
}

/** Lets the VM reach this minute, in ticks of the agent. */
async function reach(which: Fleet, minute: number, scale: number, vmId = "cell-a"): Promise<void> {
  const sample = which.driver.sample(vmId);
  const tickMs = scale < 10 ? 1_000 : 100;
  // A little more than the time that is left, because the time of a tick is rounded.
  let leftMs = ((minute - (sample?.simMinutes ?? 0) + 0.01) / scale) * 1_000;
  while (leftMs > 0) {
    await which.live(vmId, Math.min(tickMs, leftMs));
    leftMs -= tickMs;
    if ((which.driver.sample(vmId)?.simMinutes ?? 0) >= minute) break;
  }
  expect(which.driver.sample(vmId)?.simMinutes).toBe(minute);
}

/** Returns everything that a checkpoint stores, except the time of the host. */
async function stateOf(which: Fleet, vmId = "cell-a"): Promise<Record<string, unknown>> {
  const { bytes } = await which.driver.snapshot(vmId, which.fence(vmId));
  const { owedMinutes: _, ...state } = JSON.parse(new TextDecoder().decode(bytes));
  return state;
}

async function reference(): Promise<Record<string, unknown>> {
  const which = await fleet(10);
  await which.start("cell-a", WITH_NOISE);
  await reach(which, MINUTES, 10);
  return stateOf(which);
}

describe("a cell with a controller", () => {
  it("has the same course at every time scale, and another one without its controller", async () => {
    const wanted = await reference();
    const tables = (wanted as { lua: { tables: unknown[][] } }).lua.tables;
    expect(tables.map((table) => table.length)).toContain(MINUTES);
    for (const scale of [1, 37, 1_000]) {
      const which = await fleet(scale);
      await which.start("cell-a", WITH_NOISE);
      await reach(which, MINUTES, scale);
      expect(await stateOf(which), `time scale ${scale}`).toEqual(wanted);
    }
    const alone = await fleet(37);
    await alone.start("cell-a", { ...WITH_NOISE, program: undefined });
    await reach(alone, MINUTES, 37);
    expect((await stateOf(alone))["cell"]).not.toEqual(wanted["cell"]);
  });

  it("has it through a pause, a checkpoint and a restore while minutes are owed", async () => {
    const wanted = await reference();
    const [first, second] = [await fleet(37), await fleet(1_000)];
    await first.start("cell-a", WITH_NOISE);
    first.driver.tick(5_000);
    await first.driver.pause("cell-a", first.fence("cell-a"));
    const { simMinutes } = await first.driver.snapshot("cell-a", first.fence("cell-a"));
    expect(simMinutes, "most minutes are owed").toBeLessThan(100);
    first.driver.tick(5_000);
    expect(first.driver.sample("cell-a")?.simMinutes, "paused").toBe(simMinutes);
    await first.driver.resume("cell-a", first.fence("cell-a"));
    first.driver.tick(0.001);
    const { bytes } = await first.driver.snapshot("cell-a", first.fence("cell-a"));
    await second.start("cell-a", { ...WITH_NOISE, checkpoint: bytes });
    await second.live("cell-a", 0.001);
    expect(second.driver.sample("cell-a")?.simMinutes, "it has computed what it owed").toBe(185);
    await reach(second, MINUTES, 1_000);
    expect(await stateOf(second)).toEqual(wanted);
  });

  it("has it after its agent was killed, with the programs that ran since the checkpoint", async () => {
    const first = await fleet(37);
    await first.start("cell-a", WITH_NOISE);
    const fence = first.fence("cell-a");
    const environment = { substrate: 6_500 };
    const recorded: GuestChange[] = [];
    const run = async (seq: number, source: string, timeoutMs = 60_000) => {
      const outcome = first.driver.exec("cell-a", fence, source, { timeoutMs });
      const told = await outcome.catch(({ details }: DriverError) => details);
      const { simMinute, again } = told as { simMinute: number; again: ProgramPlace };
      recorded.push({ seq, simMinute, program: { source, ...again } });
    };
    await reach(first, 20, 37);
    await run(4, "state.asked = {} cell.set_environment{substrate = 4000}");
    const { bytes } = await first.driver.snapshot("cell-a", fence);
    await run(5, "state.asked[1] = math.random() cell.set_environment{nutrient_quality = 0.3}");
    const change = { seq: 6, simMinute: 20, environment };
    await first.driver.change?.("cell-a", fence, change);
    // Both were asked at once: the second one sees what the first one did.
    await Promise.all([
      run(8, "cell.set_environment{substrate = cell.environment().substrate / 2} error('x')"),
      run(9, "state.asked[2] = cell.environment().substrate cell.set_environment{substrate = 3000}"),
    ]);
    await reach(first, 50, 37);
    await run(10, "state.count = 0 while true do state.count = state.count + 1 end", 20);
    await reach(first, MINUTES, 37);
    const wanted = await stateOf(first);
    expect(wanted).toMatchObject({ lua: { tables: expect.anything() } });
    expect(recorded.map(({ simMinute, program }) => [simMinute, program?.nth, program?.afterSeq])).toEqual([
      [20, 0, 0],
      [20, 1, 0],
      [20, 2, 6],
      [20, 3, 6],
      [50, 0, 0],
    ]);
    expect(recorded[4]?.program?.instructions).toBeGreaterThan(0);
    const changes = [...recorded, change].toSorted((a, b) => a.seq - b.seq);
    const second = await fleet(1_000);
    await second.start("cell-a", { ...WITH_NOISE, checkpoint: bytes, changes });
    await reach(second, MINUTES, 1_000);
    expect(await stateOf(second)).toEqual(wanted);
    const fromStart = await fleet(10);
    await fromStart.start("cell-a", { ...WITH_NOISE, changes });
    await reach(fromStart, MINUTES, 10);
    expect(await stateOf(fromStart)).toEqual(wanted);
    const without = await fleet(10);
    await without.start("cell-a", { ...WITH_NOISE, checkpoint: bytes, changes: [change] });
    await reach(without, MINUTES, 10);
    expect((await stateOf(without))["cell"]).not.toEqual(wanted["cell"]);
  });

  it("takes a program that was recorded late at its place only", async () => {
    const which = await fleet(10);
    await which.start("cell-a", WITH_NOISE);
    const [driver, fence] = [which.driver, which.fence("cell-a")];
    await reach(which, 5, 10);
    const program = { source: "cell.set_environment{substrate = 3000}", nth: 0, afterSeq: 0 };
    await driver.change?.("cell-a", fence, { seq: 7, simMinute: 5, environment: { nutrientQuality: 0.4 } });
    const beyond = driver.change?.("cell-a", fence, { seq: 8, simMinute: 5, program });
    expect(await beyond?.catch(driverErrorCode)).toBe("INVALID_STATE");
    await driver.change?.("cell-a", fence, { seq: 9, simMinute: 5, program: { ...program, afterSeq: 7 } });
    await reach(which, 6, 10);
    expect((await stateOf(which))["cell"]).toMatchObject({ environment: { substrate: 3_000 } });
  });

  it("has it after the loss of the worker, with everything that acted since the restart point", async () => {
    const run = async (isLost: boolean) => {
      const which = await fleet(37, new URL("./stalling-worker.ts", import.meta.url));
      await which.start("cell-a", WITH_NOISE);
      const [driver, fence] = [which.driver as BasicDriver, which.fence("cell-a")];
      await reach(which, 20, 37);
      await driver.snapshot("cell-a", fence);
      const { allocation } = cellSpec("cell-a", fence);
      await reach(which, 40, 37);
      await driver.resize("cell-a", fence, { ...allocation, ribosomes: 400 });
      await reach(which, 50, 37);
      await driver.setEnvironment("cell-a", fence, { nutrientQuality: 0.3, substrate: 7_000 });
      await which.exec("cell-a", "state.asked = math.random() cell.set_environment{substrate = 6000}");
      await driver.change?.("cell-a", fence, {
        seq: 9,
        simMinute: 50,
        allocation: { ...allocation, ribosomes: 300 },
      });
      await driver.change?.("cell-a", fence, {
        seq: 10,
        simMinute: 80,
        allocation: { ...allocation, ribosomes: 350 },
      });
      await driver.change?.("cell-a", fence, { seq: 11, simMinute: 200, allocation });
      await reach(which, 60, 37);
      driver.tick(1_000);
      if (isLost) {
        expect((await which.failure("bad", "--crash")).code).toBe("GUEST_ERROR");
        await which.until(() => which.log("cell-a").length > 0, "the guest goes back");
      }
      await which.live("cell-a", 1);
      await reach(which, MINUTES, 37);
      return { which, state: await stateOf(which) };
    };
    const [without, withLoss] = [await run(false), await run(true)];
    expect(withLoss.which.log("cell-a")[0]).toMatch(/^the Lua state was lost: back from minute \d+ to \d+$/);
    expect(withLoss.state).toEqual(without.state);
    const divisions = (which: Fleet) =>
      which.events.reduce(
        (sum, event) => sum + (event.kind === "divided" && event.vmId === "cell-a" ? event.divisions : 0),
        0,
      );
    expect(divisions(withLoss.which), "no division is reported twice").toBe(divisions(without.which));
  });

  it("goes back also when an exec loses the Lua state, and ends when its hook blocks the worker", async () => {
    const which = await fleet(60, new URL("./stalling-worker.ts", import.meta.url));
    await which.start("cell-a", {
      program: "state.n = state.n or 0 function on_minute() state.n = state.n + 1 end",
    });
    await which.live("cell-a", 1_000);
    const lost = await which.failure("cell-a", "state.n = 999 while true do T = {T} end");
    expect(lost.details).toMatchObject({ stateLost: true });
    await which.live("cell-a", 1_000);
    expect(await which.value("cell-a", "return state.n, cell.sim_minutes()")).toEqual([120, 120]);
    for (let i = 0; i < 3; i += 1) {
      await which.live("cell-a", 1);
      await which.failure("cell-a", "--crash");
    }
    expect(which.driver.list()[1]).toEqual({
      vmId: "cell-a",
      fence: 2,
      state: "failed",
      reason: "its Lua took the worker down 3 times",
    });
    expect(which.events.filter((event) => event.kind === "failed")).toHaveLength(1);
  });
});
