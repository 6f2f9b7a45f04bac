/**
 * The roles of the pool's user: which role the driver needs, and which methods a weaker role lacks.
 */
import { readFileSync } from "node:fs";
import { createFakeXapi, type FakeXapi, ROLES, type Role, weakestRole } from "@bioxen/fake-xapi";
import { afterEach, expect, it } from "vitest";
import { poolConfiguration } from "../src/driver/configuration.ts";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { SUFFICIENT_ROLE } from "../src/driver/permissions.ts";
import { checkPool } from "../src/driver/pool-check.ts";
import { METHODS, type MethodName, roleFor } from "../src/xapi/methods.ts";
import { driverOf, machineSpec } from "./fleet.ts";

const ALL = Object.keys(METHODS) as MethodName[];
const [USERNAME, PASSWORD] = ["operator", "secret"];

let fake: FakeXapi;
let driver: XcpngDriver | undefined;
afterEach(async () => {
  await driver?.close();
  driver = undefined;
  await fake.close();
});

async function poolWith(role: Role): Promise<void> {
  fake = await createFakeXapi({ users: [{ username: USERNAME, password: PASSWORD, role }] });
}

/** What `up` says about the fake pool before it starts. */
async function problem(): Promise<string | undefined> {
  const configuration = poolConfiguration(
    {
      BIOXEN_XCPNG_URL: fake.url,
      BIOXEN_XCPNG_FINGERPRINT: fake.fingerprint,
      BIOXEN_XCPNG_USERNAME: USERNAME,
      BIOXEN_XCPNG_PASSWORD: PASSWORD,
    },
    "test",
  );
  if (configuration === undefined) throw new Error("the configuration names no pool");
  return (await checkPool(configuration)).problem;
}

it("each method of the driver has the weakest role of the pool", async () => {
  await poolWith("read-only");
  expect(ALL.map((method) => [method, roleFor(method)])).toEqual(
    ALL.map((method) => [method, weakestRole(method)]),
  );
});

it(`a user with the role ${SUFFICIENT_ROLE} passes the check and runs a whole life`, async () => {
  await poolWith(SUFFICIENT_ROLE as Role);
  expect(await problem()).toBeUndefined();
  const troubles: string[] = [];
  driver = driverOf(fake, {
    credentials: async () => ({ username: USERNAME, password: PASSWORD }),
    onTrouble: (message) => troubles.push(message),
  });
  await driver.whenReady();
  const sr = fake.pool.db.get("SR", fake.pool.storage);
  const config = { storage: String(sr["uuid"]), network: "Pool-wide network 0", maxMemoryMiB: 4_096 };
  const spec = machineSpec("x1", 10, { config });
  await driver.start(spec);
  await driver.pause("x1", 10);
  await driver.resume("x1", 10);
  await driver.resize("x1", 10, { vcpus: 1, memoryMiB: 3_072 });
  await driver.snapshots?.take("x1", 10, "s1");
  await driver.restart({ ...spec, restores: 1, checkpoint: undefined });
  await driver.stop("x1", 10);
  await driver.discard("x1", 1);
  expect(troubles).toEqual([]);
  const called = [...fake.statistics.byMethod.keys()].map((name) => name.replace("Async.", ""));
  expect(called).toEqual(expect.arrayContaining(["VM.copy", "VM.checkpoint", "VM.set_memory_limits"]));
  expect(called.filter((name) => !(name in METHODS))).toEqual([]);
});

const weaker = ROLES.slice(0, ROLES.indexOf(SUFFICIENT_ROLE as Role));

it.each(weaker)("a user with the role %s lacks methods, which the check and the agent name", async (role) => {
  await poolWith(role);
  const missing = ALL.filter((method) => ROLES.indexOf(weakestRole(method)) > ROLES.indexOf(role)).sort();
  const text = `may not call ${missing.join(", ")}: give it the role ${SUFFICIENT_ROLE}`;
  expect(await problem()).toContain(text);
  const troubles: string[] = [];
  driver = driverOf(fake, {
    credentials: async () => ({ username: USERNAME, password: PASSWORD }),
    onTrouble: (message) => troubles.push(message),
  });
  await driver.whenReady();
  expect(troubles.join()).toContain(text);
  await expect(driver.start(machineSpec("x1", 10))).rejects.toThrow(`the role ${SUFFICIENT_ROLE}`);
});

it("the document names this role, and no other one of a VM's administrator", async () => {
  await poolWith("read-only");
  const text = readFileSync(new URL("../../../docs/how-to/xcpng.md", import.meta.url), "utf8");
  expect(new Set(text.match(/\bvm-[a-z-]*(?:admin|operator)\b/g))).toEqual(new Set([SUFFICIENT_ROLE]));
});
