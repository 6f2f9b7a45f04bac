/**
 * Which templates make machines: those of the pool for the installation of an operating system are neither offered nor
 * accepted, whether XAPI marks them by the field or by the key.
 */
import { createFakeXapi, type FakeXapi, INSTALLER_NAMES, TEMPLATE_NAME } from "@bioxen/fake-xapi";
import { driverErrorCode } from "@bioxen/vm-driver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { poolConfiguration } from "../src/driver/configuration.ts";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { checkPool } from "../src/driver/pool-check.ts";
import { thrownBy } from "./connect.ts";
import { driverOf, machineSpec } from "./fleet.ts";

const [INSTALLER] = INSTALLER_NAMES;

let fake: FakeXapi;
let driver: XcpngDriver;
beforeEach(async () => {
  fake = await createFakeXapi();
  driver = driverOf(fake);
});
afterEach(async () => {
  await driver.close();
  await fake.close();
});

function templateOf(name: string): string {
  const found = fake.pool.db.all("VM").find(([, vm]) => vm["name_label"] === name);
  if (found === undefined) throw new Error(`the pool has no template ${name}`);
  return found[0];
}

/** What `up` says about the template before it starts. */
async function problemWith(template: string): Promise<string | undefined> {
  const { url, fingerprint, password } = fake;
  const variables = { BIOXEN_XCPNG_URL: url, BIOXEN_XCPNG_FINGERPRINT: fingerprint };
  const configuration = poolConfiguration(
    { ...variables, BIOXEN_XCPNG_PASSWORD: password, BIOXEN_XCPNG_TEMPLATE: template },
    "test",
  );
  if (configuration === undefined) throw new Error("the configuration names no pool");
  return (await checkPool(configuration)).problem;
}

const startFrom = (template: string) => driver.start(machineSpec("x1", 10, { config: { template } }));

describe("a template of the pool for the installation of an operating system", () => {
  it.each([
    ["the field and the key", { is_default_template: true, other_config: { default_template: "true" } }],
    ["the field alone", { is_default_template: true, other_config: {} }],
    ["the key alone", { is_default_template: false, other_config: { default_template: "true" } }],
  ])("marked by %s is refused by a start and by the check of the pool", async (_how, fields) => {
    const ref = templateOf(INSTALLER);
    fake.pool.db.update("VM", ref, fields);
    const before = { ...fake.counts(), sessions: 0, tasks: 0 };
    await driver.whenReady();
    for (const nameOrUuid of [INSTALLER, String(fake.pool.db.get("VM", ref)["uuid"])]) {
      const error = await thrownBy(startFrom(nameOrUuid));
      expect(driverErrorCode(error)).toBe("BAD_REQUEST");
      expect(error.message).toMatch(/is a template for the installation of an operating system.*convert it/);
      expect(await problemWith(nameOrUuid)).toMatch(/is a template for the installation.*--xcpng-template/);
    }
    expect({ ...fake.counts(), sessions: 0, tasks: 0 }).toEqual(before);
    expect([driver.list(), driver.kept()]).toEqual([[], []]);
  });

  it("is not offered", async () => {
    fake.pool.db.update("VM", templateOf("Other install media"), { is_default_template: false });
    await driver.whenReady();
    const { message } = await thrownBy(startFrom("no-such"));
    expect(message).toMatch(new RegExp(`set config\\.template to one of ${TEMPLATE_NAME}$`));
    await fake.outside("VM.destroy", templateOf(TEMPLATE_NAME));
    await driver.close();
    driver = driverOf(fake);
    await driver.whenReady();
    expect((await thrownBy(startFrom("no-such"))).message).toMatch(/"no-such": create it$/);
  });

  it("does not hide a template of the same name, and its clone is a template of its own", async () => {
    fake.pool.addTemplate(INSTALLER, { disks: 1 });
    await fake.outside("VM.clone", templateOf(INSTALLER), "prepared");
    await driver.whenReady();
    await startFrom(INSTALLER);
    expect(await problemWith("prepared")).toBeUndefined();
    expect(driver.list()).toMatchObject([{ vmId: "x1", state: "running" }]);
  });
});
