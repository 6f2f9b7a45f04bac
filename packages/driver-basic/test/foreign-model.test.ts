/**
 * A third-party cell model that throws: its guest fails, and other guests are not affected.
 */
import { type CellModel, WEISSE } from "@bioxen/cell-models";
import { expect, it } from "vitest";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

/** The built-in cells; those with this seed throw in the method `where`. */
const CURSED = 13;
const brokenAt = (where: "boot" | "advance" | "sample"): CellModel => ({
  ...WEISSE,
  name: "broken",
  boot: (options) => {
    const cell = WEISSE.boot(options);
    if (options.seed !== CURSED) return cell;
    const broken = () => {
      throw new TypeError(`${where} is broken`);
    };
    if (where === "boot") broken();
    return new Proxy(cell, {
      get(target, name) {
        if (name === where) return broken;
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  },
});

const broken = (vmId: string, fence: number) => cellSpec(vmId, fence, { config: { model: "broken" } });

async function openWith(where: "boot" | "advance" | "sample") {
  const driver = createBasicDriver({
    timeScaleMinutesPerSecond: 60,
    models: [brokenAt(where)],
    now: () => 0,
  });
  await driver.start(broken("well", 1));
  return driver;
}

it("an exception at boot fails the start with its reason", async () => {
  const driver = await openWith("boot");
  await expect(driver.start({ ...broken("cursed", 2), seed: CURSED })).rejects.toMatchObject({
    code: "GUEST_ERROR",
    message: expect.stringContaining("boot is broken"),
  });
  expect(driver.list().map((one) => one.vmId)).toEqual(["well"]);
  await driver.close();
});

it.each(["advance", "sample"] as const)("an exception in %s fails only its guest", async (where) => {
  const driver = await openWith(where);
  await driver.start({ ...broken("cursed", 2), seed: CURSED });
  driver.sample("cursed");
  driver.tick(1_000);
  driver.tick(1_000);
  expect(driver.list()).toEqual([
    { vmId: "cursed", fence: 2, state: "failed", reason: `${where} is broken` },
    { vmId: "well", fence: 1, state: "running" },
  ]);
  expect(driver.sample("well")?.simMinutes).toBe(120);
  await driver.close();
});
