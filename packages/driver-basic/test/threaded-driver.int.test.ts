/** Cells in threads: the same courses as in one thread, and the end of a thread. */
import { driverErrorCode, type GuestEvent, type GuestSpec } from "@bioxen/vm-driver";
import { afterEach, describe, expect, it, vi } from "vitest";
import { cellModel } from "../../../examples/chemostat/src/index.js";
import { type BasicDriver, createBasicDriver, createThreadedDriver } from "../src/index.ts";
import { GUESTS_BEFORE_NEXT_THREAD } from "../src/limits.ts";
import { cellSpec } from "./fleet.ts";

const WITHIN = { timeout: 60_000, interval: 5 };
const LAST_MINUTE = 120;
const drivers: BasicDriver[] = [];
afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close();
});

const HOOKS = `
  function on_minute(c)
    state.n = (state.n or 0) + 1
    if state.n % 20 == 0 then cell.set_environment{nutrient_quality = 0.1 + math.random() / 2} end
  end`;
const CHANGES = [{ seq: 1, simMinute: 40, environment: { nutrientQuality: 0.3 } }];

function specs(): GuestSpec[] {
  const record = { key: "k", everyMinutes: 1 };
  return Array.from({ length: 2 * GUESTS_BEFORE_NEXT_THREAD }, (_, i) =>
    cellSpec(`cell-${i}`, i + 1, {
      seed: i,
      lastMinute: LAST_MINUTE,
      changes: CHANGES,
      record,
      ...(i % 2 === 0 ? { program: HOOKS } : {}),
      ...(i % 4 < 2 ? { timeScale: "max" } : {}),
    }),
  );
}

/** Lets all cells reach their last minute. Returns rows, states and samples by VM. */
async function lived(driver: BasicDriver) {
  drivers.push(driver);
  const rows: Record<string, unknown[]> = {};
  driver.onGuestEvent((event: GuestEvent) => {
    if (event.kind === "recorded") rows[event.vmId] = [...(rows[event.vmId] ?? []), ...event.rows];
  });
  for (const spec of specs()) await driver.start(spec);
  await vi.waitFor(() => {
    driver.tick(100);
    expect(driver.list().filter(({ atLastMinute }) => atLastMinute !== true)).toEqual([]);
  }, WITHIN);
  const states: Record<string, unknown> = {};
  for (const { vmId, fence } of driver.list()) {
    const { bytes } = await driver.snapshot(vmId, fence);
    states[vmId] = JSON.parse(new TextDecoder().decode(bytes));
  }
  const samples = driver.list().map(({ vmId }) => driver.sample(vmId));
  return { rows, states, samples, list: driver.list() };
}

describe("cells in threads", () => {
  it("have the courses, states and samples of cells in one thread, whatever the number of threads", async () => {
    const wanted = await lived(createBasicDriver({ timeScaleMinutesPerSecond: 100 }));
    expect(Object.values(wanted.rows).map(({ length }) => length)).toEqual(
      specs().map(() => LAST_MINUTE + 1),
    );
    for (const threads of [1, 3]) {
      expect(await lived(createThreadedDriver({ threads, timeScaleMinutesPerSecond: 100 }))).toEqual(wanted);
    }
  });

  it("leave the agent's thread its turns while they compute", async () => {
    const driver = createThreadedDriver({ threads: 1 });
    drivers.push(driver);
    for (const spec of specs()) {
      await driver.start({ ...spec, program: undefined, lastMinute: undefined, timeScale: "max" });
    }
    const before = performance.eventLoopUtilization();
    const minutes = () => Math.min(...driver.list().map(({ vmId }) => driver.sample(vmId)?.simMinutes ?? 0));
    await vi.waitFor(
      () => {
        driver.tick(100);
        expect(minutes()).toBeGreaterThan(2_000);
      },
      { timeout: 60_000, interval: 100 },
    );
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
  });
});

describe.each([
  ["throws", "throw", /a fault in the thread/],
  ["does not answer", "loop", /no sign of life/],
])("a thread that %s", (_, fault, why) => {
  it("loses only its own guests, each of which is reported and starts again from its state", async () => {
    const lost: string[] = [];
    const driver = createThreadedDriver({
      threads: 2,
      timeScaleMinutesPerSecond: 10,
      silentMs: 3_000,
      threadUrl: new URL("./ending-thread.ts", import.meta.url),
      onLost: (reason, guests) => lost.push(`${guests}: ${reason}`),
    });
    drivers.push(driver);
    const ids = Array.from({ length: GUESTS_BEFORE_NEXT_THREAD + 1 }, (_, i) => `cell-${i}`);
    for (const [i, vmId] of ids.entries()) await driver.start(cellSpec(vmId, 10 + i));
    const [other = ""] = ids.slice(-1);
    driver.tick(2_000);
    await vi.waitFor(() => {
      driver.tick(0.001);
      for (const vmId of ids) expect(driver.sample(vmId)?.simMinutes).toBe(20);
    }, WITHIN);
    const { bytes, simMinutes } = await driver.snapshot("cell-0", 10);
    expect(simMinutes).toBe(20);
    const events: GuestEvent[] = [];
    driver.onGuestEvent((event) => events.push(event));
    await driver.exec("cell-0", 10, `print("${fault}")`, { timeoutMs: 20_000 });
    const running = driver.exec("cell-1", 11, "while true do end", { timeoutMs: 50_000 });
    const refusal = running.then(String, (error: unknown) => error);
    await vi.waitFor(() => {
      driver.tick(10);
      expect(lost).toHaveLength(1);
    }, WITHIN);
    expect(lost[0]).toMatch(why);
    expect(lost[0]).toMatch(/^4: /);
    expect(driver.list()).toEqual([{ vmId: other, fence: 14, state: "running" }]);
    const error = await refusal;
    expect(driverErrorCode(error)).toBe("UNAVAILABLE");
    expect(error).toMatchObject({ retryable: false });
    expect(events.filter(({ kind }) => kind === "changed")).toEqual(
      ids.slice(0, -1).map((vmId, i) => ({ kind: "changed", vmId, fence: 10 + i })),
    );
    await driver.stop("cell-1", 11);
    await expect(driver.start(cellSpec("cell-1", 11))).rejects.toMatchObject({ code: "STALE_FENCE" });
    await driver.start(cellSpec("cell-0", 10, { checkpoint: bytes }));
    expect(driver.sample("cell-0")?.simMinutes).toBe(20);
    driver.tick(1_000);
    await vi.waitFor(() => expect(driver.sample("cell-0")?.simMinutes).toBeGreaterThanOrEqual(30), WITHIN);
    await vi.waitFor(() => expect(driver.sample(other)?.simMinutes).toBeGreaterThanOrEqual(30), WITHIN);
  });
});

describe("models of other packages in threads", () => {
  const models = [
    { name: "chemostat", url: import.meta.resolve("../../../examples/chemostat/src/index.js") },
    { name: "looping", url: new URL("./looping-model.ts", import.meta.url).href },
  ];
  const of = (model: string, more: object = {}) => ({
    biologicalType: "ecoli",
    allocation: { atpPerSecond: 100_000 },
    config: { model, ...more },
  });

  it("have the courses and samples of those in one thread", async () => {
    const [alone, threaded] = [
      createBasicDriver({ timeScaleMinutesPerSecond: 60, models: [cellModel], now: () => 0 }),
      createThreadedDriver({ threads: 1, timeScaleMinutesPerSecond: 60, models }),
    ];
    drivers.push(alone, threaded);
    const spec = cellSpec("c", 1, {
      ...of("chemostat", { parameters: { dilutionPerMinute: 0.005 } }),
      lastMinute: 90,
    });
    for (const driver of [alone, threaded]) {
      await driver.start(spec);
      await vi.waitFor(() => {
        driver.tick(100);
        expect(driver.guest?.("c")?.atLastMinute).toBe(true);
      }, WITHIN);
    }
    expect(threaded.sample("c")).toEqual(alone.sample("c"));
    expect(threaded.sample("c")?.outputs?.["biomass"]).toBeGreaterThan(4);
    expect(await threaded.snapshot("c", 1)).toEqual(await alone.snapshot("c", 1));
    const unknown = threaded.start(cellSpec("d", 2, of("yeast")));
    await expect(unknown).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect(String(await unknown.catch(String))).toContain("use weisse, chemostat, looping");
  });

  it("that never return cost only their own guests, which start again from their checkpoints", async () => {
    const lost: string[] = [];
    const driver = createThreadedDriver({
      threads: 1,
      timeScaleMinutesPerSecond: 10,
      silentMs: 3_000,
      models,
      onLost: (reason, guests) => lost.push(`${guests}: ${reason}`),
    });
    drivers.push(driver);
    await driver.start(cellSpec("built-in", 1));
    await driver.start(cellSpec("culture", 2, of("chemostat")));
    await driver.start(cellSpec("looping", 3, of("looping", { parameters: { loopsAtMinute: 30 } })));
    driver.tick(2_000);
    await vi.waitFor(() => expect(driver.sample("looping")?.simMinutes).toBe(20), WITHIN);
    const { bytes } = await driver.snapshot("looping", 3);
    await vi.waitFor(() => {
      driver.tick(10);
      expect(lost).toEqual(["1: it gave no sign of life"]);
    }, WITHIN);
    expect(driver.list().map(({ vmId }) => vmId)).toEqual(["built-in", "culture"]);
    const [cell, culture] = ["built-in", "culture"].map((vmId) => driver.sample(vmId)?.simMinutes ?? 0);
    expect(Math.min(cell ?? 0, culture ?? 0)).toBeGreaterThan(20);
    await driver.start(
      cellSpec("looping", 3, { ...of("looping", { parameters: { loopsAtMinute: 30 } }), checkpoint: bytes }),
    );
    expect(driver.sample("looping")?.simMinutes).toBe(20);
  });
});

it("a start that fails leaves no guest, and one that replaces a guest with a wrong spec leaves that guest", async () => {
  const driver = createThreadedDriver({ threads: 1 });
  drivers.push(driver);
  const wrong = { allocation: { ribosomes: -1 } };
  await expect(driver.start(cellSpec("cell-a", 5, wrong))).rejects.toMatchObject({ code: "BAD_REQUEST" });
  expect(driver.list()).toEqual([]);
  await driver.start(cellSpec("cell-a", 5));
  await expect(driver.start(cellSpec("cell-a", 6, wrong))).rejects.toMatchObject({ code: "BAD_REQUEST" });
  expect(driver.list()).toEqual([{ vmId: "cell-a", fence: 5, state: "running" }]);
  await driver.pause("cell-a", 5);
  expect(driver.guest?.("cell-a")?.state).toBe("paused");
  expect(() => createThreadedDriver({ threads: 0 })).toThrow(RangeError);
});
