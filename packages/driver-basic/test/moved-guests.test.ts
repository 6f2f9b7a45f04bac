import { cellTypeOf } from "@bioxen/cell-models";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { ComputingDriver } from "../src/basic-driver-options.ts";
import { createBasicDriver } from "../src/index.ts";

const MS_PER_MINUTE = 1_000;

let driver: ComputingDriver;
beforeEach(() => {
  driver = createBasicDriver({ timeScaleMinutesPerSecond: 1, now: () => 0 });
});
afterEach(() => driver.close());

const start = (vmId: string, fence = 1) =>
  driver.start({
    vmId,
    incarnation: 1,
    fence,
    biologicalType: "syn3a",
    seed: 1,
    allocation: cellTypeOf("syn3a").fullDemand,
    config: {},
  });

it("names the guests whose cells have computed a minute, and no others", async () => {
  await start("runs");
  await start("paused");
  await driver.pause("paused", 1);
  expect(driver.takeMoved()).toEqual({ vmIds: ["runs", "paused"], anyLags: false });
  expect(driver.takeMoved()).toEqual({ vmIds: [], anyLags: false });
  driver.tick(MS_PER_MINUTE / 2);
  expect(driver.takeMoved().vmIds).toEqual([]);
  driver.tick(MS_PER_MINUTE / 2);
  expect(driver.takeMoved().vmIds).toEqual(["runs"]);
});

it("names a guest that has replaced another one of its VM, and forgets those that have ended", async () => {
  await start("vm");
  await start("other");
  driver.takeMoved();
  await start("vm", 2);
  expect(driver.takeMoved().vmIds).toEqual(["vm"]);
  await driver.stop("other", 1);
  expect(driver.takeMoved().vmIds).toEqual([]);
  await start("other", 3);
  expect(driver.takeMoved().vmIds).toEqual(["other"]);
});

it("says that a running guest lags while it owes minutes", async () => {
  driver = createBasicDriver({
    timeScaleMinutesPerSecond: 1,
    // The budget of each tick is spent at once.
    now: (() => {
      let ms = 0;
      return () => {
        ms += 1_000;
        return ms;
      };
    })(),
  });
  await start("one");
  await start("two");
  driver.tick(5 * MS_PER_MINUTE);
  const { vmIds, anyLags } = driver.takeMoved();
  expect(anyLags).toBe(true);
  expect([...vmIds].sort()).toEqual(["one", "two"]);
});
