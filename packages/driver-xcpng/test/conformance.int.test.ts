import { driverConformance } from "@bioxen/vm-driver/conformance";
import { afterAll } from "vitest";
import { createFakeXapi, type FakeXapi } from "../src/fake/index.ts";
import { driverOf, machineSpec } from "./fleet.ts";

const fakes: FakeXapi[] = [];
afterAll(async () => {
  for (const fake of fakes) await fake.close();
});

driverConformance("xcpng", async () => {
  const fake = await createFakeXapi();
  fakes.push(fake);
  const driver = driverOf(fake);
  await driver.whenReady();
  return { driver, spec: machineSpec };
});
