/**
 * Guests with `config.lineage: "both"`: the cell stays at its division until its second daughter is taken, and the daughter
 * starts from what the driver gives.
 */
import type { Daughter, GuestEvent, VmDriver } from "@bioxen/vm-driver";
import { driverErrorCode } from "@bioxen/vm-driver";
import { afterEach, expect, it } from "vitest";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

const config = { lineage: "both", noise: "partition" };
/** Milliseconds of one simulated minute at the time scale of these tests. */
const MINUTE_MS = 1_000 / 60 + 1e-6;

const open: VmDriver[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((driver) => driver.close()));
});

function driverWith() {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: 60, now: () => 0 });
  const events: GuestEvent[] = [];
  driver.onGuestEvent((event) => events.push(event));
  open.push(driver);
  return { driver, events };
}

/** Ticks until the guest is at its next division, and returns the minute. */
function untilDivision(driver: VmDriver, vmId = "cell-a"): number {
  for (let minute = 0; minute < 400 && driver.guest?.(vmId)?.dividing !== true; minute += 1)
    driver.tick(MINUTE_MS);
  expect(driver.guest?.(vmId)?.dividing).toBe(true);
  return driver.sample(vmId)?.simMinutes ?? 0;
}

it("the cell stays at its division until the daughter is taken, and the driver says so once", async () => {
  const { driver, events } = driverWith();
  await driver.start(cellSpec("cell-a", 1, { config }));
  const minute = untilDivision(driver);
  for (let i = 0; i < 20; i += 1) driver.tick(MINUTE_MS);
  expect(driver.sample("cell-a")?.simMinutes).toBe(minute);
  expect(events.filter(({ kind }) => kind === "changed")).toHaveLength(1);
  const daughter = await driver.daughter?.("cell-a", 1);
  expect(daughter).toMatchObject({ division: 1, checkpoint: { simMinutes: minute } });
  expect(await driver.daughter?.("cell-a", 1)).toEqual(daughter);
  await driver.daughterTaken?.("cell-a", 1, 1);
  expect(driver.guest?.("cell-a")?.dividing).toBeUndefined();
  expect(await driver.daughter?.("cell-a", 1)).toBeUndefined();
  expect(untilDivision(driver)).toBeGreaterThan(minute + 50);
  expect(await driver.daughter?.("cell-a", 1)).toMatchObject({ division: 2 });
});

it("a state behind a division is given only once its daughter is taken", async () => {
  const { driver } = driverWith();
  await driver.start(cellSpec("cell-a", 1, { config }));
  const minute = untilDivision(driver);
  let isTaken = false;
  const snapshot = driver.snapshot("cell-a", 1).then((taken) => {
    expect(isTaken).toBe(true);
    return taken;
  });
  await driver.daughter?.("cell-a", 1);
  isTaken = true;
  await driver.daughterTaken?.("cell-a", 1, 1);
  expect((await snapshot).simMinutes).toBeGreaterThanOrEqual(minute);
});

it("a guest that goes on from before the division has the same daughter", async () => {
  const made: (Daughter | undefined)[] = [];
  const { driver } = driverWith();
  await driver.start(cellSpec("cell-a", 1, { config }));
  for (let i = 0; i < 50; i += 1) driver.tick(MINUTE_MS);
  const { bytes } = await driver.snapshot("cell-a", 1);
  untilDivision(driver);
  made.push(await driver.daughter?.("cell-a", 1));
  const again = driverWith().driver;
  await again.start(cellSpec("cell-a", 2, { config, checkpoint: bytes }));
  untilDivision(again);
  made.push(await again.daughter?.("cell-a", 2));
  const [one, other] = made;
  expect(one?.division).toBe(1);
  const text = (daughter: Daughter | undefined) =>
    JSON.parse(new TextDecoder().decode(daughter?.checkpoint.bytes));
  expect({ ...text(other), owedMinutes: 0 }).toEqual({ ...text(one), owedMinutes: 0 });
});

it("a daughter starts with her mother's table of state, and her own random numbers", async () => {
  const { driver } = driverWith();
  const program = "function on_division(cell, n) state.divided = (state.divided or 0) + n end";
  await driver.start(cellSpec("cell-a", 1, { config, program }));
  await driver.exec("cell-a", 1, "state.name = 'mother'", { timeoutMs: 1_000 });
  const minute = untilDivision(driver);
  const daughter = await driver.daughter?.("cell-a", 1);
  const checkpoint = daughter?.checkpoint.bytes;
  await driver.start(cellSpec("cell-b", 2, { seed: 77, config, program, checkpoint }));
  expect(driver.sample("cell-b")).toMatchObject({ simMinutes: minute, divisions: 0 });
  const read = await driver.exec("cell-b", 2, "return state.name, state.divided", { timeoutMs: 1_000 });
  expect(read.result).toEqual(["mother", 1]);
  await driver.daughterTaken?.("cell-a", 1, 1);
  const mother = untilDivision(driver, "cell-a");
  await driver.daughterTaken?.("cell-a", 1, 2);
  expect(untilDivision(driver, "cell-b")).not.toBe(mother);
});

it("a cell with one daughter never stays, and an unknown lineage is refused", async () => {
  const { driver } = driverWith();
  await driver.start(cellSpec("cell-a", 1, { config: { noise: "partition", lineage: "one" } }));
  for (let i = 0; i < 200; i += 1) driver.tick(MINUTE_MS);
  expect(driver.sample("cell-a")).toMatchObject({ simMinutes: 200, divisions: 1 });
  const refused = await driver
    .start(cellSpec("cell-b", 1, { config: { lineage: "all" } }))
    .catch((e: unknown) => e);
  expect(driverErrorCode(refused)).toBe("BAD_REQUEST");
});
