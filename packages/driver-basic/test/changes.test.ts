/**
 * Changes of a cell's environment and allocation at minutes of its simulated time, without Lua: these tests start no
 * worker.
 */
import { driverErrorCode, type GuestChange, type GuestSpec } from "@bioxen/vm-driver";
import { afterEach, expect, it, vi } from "vitest";
import { type BasicDriver, createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

const MINUTES = 120;
const drivers: BasicDriver[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const driver of drivers.splice(0)) await driver.close();
});

async function cell(timeScale: number, more: Partial<GuestSpec> = {}): Promise<BasicDriver> {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: timeScale, now: () => 0 });
  drivers.push(driver);
  await driver.start(cellSpec("cell-a", 1, more));
  return driver;
}
const minuteOf = (driver: BasicDriver) => driver.sample("cell-a")?.simMinutes;
const change = (seq: number, simMinute: number, environment: GuestChange["environment"]): GuestChange => ({
  seq,
  simMinute,
  environment,
});

/** Lets the cell reach this minute. */
function reach(driver: BasicDriver, minute: number, scale: number): void {
  driver.tick((minute - (minuteOf(driver) ?? 0)) * (1_000 / scale) + 0.001);
  expect(minuteOf(driver)).toBe(minute);
}

async function stateOf(driver: BasicDriver): Promise<Record<string, unknown>> {
  const { owedMinutes: _, ...state } = JSON.parse(
    new TextDecoder().decode((await driver.snapshot("cell-a", 1)).bytes),
  );
  return state;
}

const CHANGES = [
  change(7, 50, { nutrientQuality: 0.1 }),
  change(8, 30, { substrate: 5_000, chloramphenicolMicromolar: 2 }),
  change(9, 50, { chloramphenicolMicromolar: 0 }),
];

it("changes act at their minutes, at every time scale, however they arrive", async () => {
  const given = await cell(1_000, { changes: CHANGES });
  reach(given, MINUTES, 1_000);
  const wanted = await stateOf(given);
  expect(wanted["cell"]).toMatchObject({
    environment: { nutrientQuality: 0.1, substrate: 5_000, chloramphenicolMicromolar: 0 },
  });
  const later = await cell(10);
  reach(later, 20, 10);
  for (const one of CHANGES) await later.change?.("cell-a", 1, one);
  for (const minute of [30, 50, MINUTES]) reach(later, minute, 10);
  expect(await stateOf(later)).toEqual(wanted);
  const present = await cell(37);
  let seq = 0;
  for (const minute of [30, 50]) {
    reach(present, minute, 37);
    for (const one of CHANGES.filter(({ simMinute }) => simMinute === minute)) {
      seq += 1;
      await present.change?.("cell-a", 1, { ...one, seq });
    }
  }
  reach(present, MINUTES, 37);
  expect((await stateOf(present))["cell"]).toEqual(wanted["cell"]);
  const without = await cell(37);
  reach(without, MINUTES, 37);
  expect((await stateOf(without))["cell"]).not.toEqual(wanted["cell"]);
});

it("a restored cell gets the changes that its checkpoint does not contain, also at the same minute", async () => {
  const whole = await cell(10, { changes: CHANGES });
  for (const minute of [30, 50]) {
    reach(whole, minute, 10);
    const { bytes } = await whole.snapshot("cell-a", 1);
    const restored = await cell(10, { checkpoint: bytes, changes: CHANGES });
    const early = await cell(10, { changes: CHANGES });
    reach(early, MINUTES, 10);
    reach(restored, MINUTES, 10);
    expect(await stateOf(restored)).toEqual(await stateOf(early));
  }
  const before = await cell(10);
  reach(before, 50, 10);
  const { bytes } = await before.snapshot("cell-a", 1);
  const late = await cell(10, { checkpoint: bytes, changes: [change(7, 50, { nutrientQuality: 0.1 })] });
  reach(late, 51, 10);
  expect((await stateOf(late))["cell"]).toMatchObject({ environment: { nutrientQuality: 0.1 } });
});

/** A change of the ribosomes, all other amounts as in the spec. */
const resize = (seq: number, simMinute: number, ribosomes: number): GuestChange => ({
  seq,
  simMinute,
  allocation: { ...cellSpec("cell-a", 1).allocation, ribosomes },
});
const RESIZES = [
  resize(7, 50, 252),
  resize(8, 30, 400),
  change(9, 50, { substrate: 5_000 }),
  resize(10, 90, 300),
];

it("allocations change at their minutes, at every time scale, through a pause and a restore", async () => {
  const given = await cell(1_000, { changes: RESIZES });
  reach(given, MINUTES, 1_000);
  const wanted = await stateOf(given);
  expect(given.sample("cell-a")?.ribosomes?.cap).toBe(300);
  for (const scale of [1, 10, 37]) {
    const driver = await cell(scale);
    reach(driver, 20, scale);
    for (const one of RESIZES) await driver.change?.("cell-a", 1, one);
    const caps = [29, 30, 49, 50, 89, 90].map((minute) => {
      reach(driver, minute, scale);
      return driver.sample("cell-a")?.ribosomes?.cap;
    });
    expect(caps).toEqual([503, 400, 400, 252, 252, 300]);
    await driver.pause("cell-a", 1);
    driver.tick(1_000);
    await driver.resume("cell-a", 1);
    reach(driver, MINUTES, scale);
    expect(await stateOf(driver), `time scale ${scale}`).toEqual(wanted);
  }
  const without = await cell(37);
  reach(without, MINUTES, 37);
  expect((await stateOf(without))["cell"]).not.toEqual(wanted["cell"]);
});

it("a restored cell has the allocation of its minute, also if the change acted at the minute of the checkpoint", async () => {
  const whole = await cell(10, { changes: RESIZES });
  const later = await cell(10, { changes: RESIZES });
  reach(later, MINUTES, 10);
  const wanted = await stateOf(later);
  for (const [minute, cap] of [
    [30, 400],
    [40, 400],
    [50, 252],
    [60, 252],
  ] as const) {
    reach(whole, minute, 10);
    const { bytes } = await whole.snapshot("cell-a", 1);
    // As the log has it: the changes since the checkpoint, and the allocation before all of them.
    const before = minute > 30 ? resize(0, 0, minute > 50 ? 252 : 400).allocation : undefined;
    const changes = RESIZES.filter(({ simMinute }) => simMinute >= minute);
    const allocation = before ?? cellSpec("cell-a", 1).allocation;
    const restored = await cell(37, { checkpoint: bytes, changes, allocation });
    expect(restored.sample("cell-a")?.ribosomes?.cap, `minute ${minute}`).toBe(cap);
    reach(restored, MINUTES, 37);
    expect(await stateOf(restored), `minute ${minute}`).toEqual(wanted);
  }
});

it("an entry of a schedule acts before the changes that are recorded for its minute, also after a restore", async () => {
  const changes = [
    change(-2, 30, { substrate: 4_000, nutrientQuality: 0.3 }),
    change(-1, 60, { substrate: 3_000 }),
    change(7, 30, { substrate: 5_000 }),
  ];
  const whole = await cell(10, { changes });
  reach(whole, 30, 10);
  expect((await stateOf(whole))["cell"]).toMatchObject({
    environment: { substrate: 5_000, nutrientQuality: 0.3 },
  });
  const { bytes } = await whole.snapshot("cell-a", 1);
  reach(whole, MINUTES, 10);
  const restored = await cell(37, { checkpoint: bytes, changes });
  reach(restored, MINUTES, 37);
  expect(await stateOf(restored)).toEqual(await stateOf(whole));
  expect((await stateOf(whole))["cell"]).toMatchObject({ environment: { substrate: 3_000 } });
});

it("a resize at once can end the allocations that are still to come, and lets changes of the medium act", async () => {
  for (const endsChanges of [false, true]) {
    const driver = await cell(10, { changes: RESIZES });
    reach(driver, 40, 10);
    await driver.resize(
      "cell-a",
      1,
      { ...cellSpec("cell-a", 1).allocation, ribosomes: 450 },
      { endsChanges },
    );
    reach(driver, 60, 10);
    expect(driver.sample("cell-a")?.ribosomes?.cap).toBe(endsChanges ? 450 : 252);
    expect((await stateOf(driver))["cell"]).toMatchObject({ environment: { substrate: 5_000 } });
  }
});

it("a change of a minute that has passed is rejected, and one that the cell has got is ignored", async () => {
  const driver = await cell(10);
  reach(driver, 10, 10);
  const past = driver.change?.("cell-a", 1, change(5, 9, { substrate: 1 }));
  expect(await past?.catch(driverErrorCode)).toBe("INVALID_STATE");
  await driver.change?.("cell-a", 1, change(5, 10, { substrate: 4_000 }));
  reach(driver, 20, 10);
  await driver.change?.("cell-a", 1, change(5, 10, { substrate: 4_000 }));
  const hold = driver.hold?.("cell-a", 1, { atMinute: 19, forMs: 1_000 });
  expect(await hold?.catch(driverErrorCode)).toBe("BAD_REQUEST");
});

it("a held cell stays at its minute until the change is there, or the time is over", async () => {
  vi.useFakeTimers();
  const driver = await cell(10);
  reach(driver, 5, 10);
  expect(await driver.hold?.("cell-a", 1, { forMs: 1_000 })).toEqual({ simMinute: 5 });
  driver.tick(1_000);
  expect(minuteOf(driver)).toBe(5);
  await driver.change?.("cell-a", 1, change(1, 5, { substrate: 3_000 }));
  expect(minuteOf(driver), "it makes up for the time").toBe(15);
  expect(await driver.hold?.("cell-a", 1, { atMinute: 20, forMs: 1_000 })).toEqual({ simMinute: 20 });
  driver.tick(1_000);
  expect(minuteOf(driver)).toBe(20);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(minuteOf(driver)).toBe(25);
  await driver.pause("cell-a", 1);
  expect(await driver.hold?.("cell-a", 1, { forMs: 1_000 })).toEqual({ simMinute: 25 });
  await driver.change?.("cell-a", 1, change(2, 25, { substrate: 2_000 }));
  expect((await stateOf(driver))["cell"]).toMatchObject({ environment: { substrate: 2_000 } });
});
