import { createFakeXapi, type FakeOptions, type FakeXapi } from "@bioxen/fake-xapi";
import { driverConformance } from "@bioxen/vm-driver/conformance";
import { afterAll, expect } from "vitest";
import { driverOf, machineSpec, sshOf } from "./fleet.ts";

const fakes: FakeXapi[] = [];
afterAll(async () => {
  for (const fake of fakes) {
    expect(fake.counts(), "every connection and session is closed").toMatchObject({
      connections: 0,
      sessions: 0,
    });
    await fake.close();
  }
});

async function fakeOf(options: FakeOptions = {}): Promise<FakeXapi> {
  const fake = await createFakeXapi(options);
  fakes.push(fake);
  return fake;
}

driverConformance("xcpng", async () => {
  const driver = driverOf(await fakeOf());
  await driver.whenReady();
  return { driver, spec: machineSpec };
});

driverConformance("xcpng, with SSH into its machines", async () => {
  const fake = await fakeOf({ guestSsh: {} });
  const driver = driverOf(fake, { ssh: sshOf(fake) });
  await driver.whenReady();
  const program = { source: "cat && echo 'two words'", result: { exitCode: 0, stderr: "" } };
  return { driver, spec: machineSpec, program };
});
