/**
 * Trust in the hosts of a pool that follows from the trust in its master.
 */
import { createFakeXapi, type FakeMember, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { poolConfiguration } from "../src/driver/configuration.ts";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { checkPool } from "../src/driver/pool-check.ts";
import { parsePins } from "../src/xapi/trust.ts";
import { clientOf, thrownBy } from "./connect.ts";
import { driverOf, machineSpec } from "./fleet.ts";

const MEMBER = "127.0.0.5";
const OTHER_PIN = "AB".repeat(32);

let fake: FakeXapi;
let driver: XcpngDriver | undefined;
let troubles: string[];

/** The second host of the pool answers at its own address with its own certificate. */
async function withMember(): Promise<FakeMember & { readonly ref: string }> {
  const member = await fake.addMember(MEMBER, "127.0.0.1");
  const [, second] = fake.pool.db.all("host");
  const ref = second?.[0] ?? "";
  fake.pool.db.update("host", ref, { address: MEMBER });
  fake.pool.certificates.set(ref, member.certificate);
  return { ...member, ref };
}

/** Moves the running machine to this host, and waits until the driver has seen it. */
async function moveTo(host: string, on: XcpngDriver): Promise<void> {
  const machines = fake.pool.db.all("VM").filter(([, vm]) => vm["power_state"] === "Running");
  const [machine] = machines.slice(-1);
  await fake.outside("VM.pool_migrate", machine?.[0], host, {});
  await eventually("it runs on the member", () => on.sample("x1")?.machine?.host === "host-2" || undefined);
}

async function driverWith(pins: string, url = fake.url): Promise<XcpngDriver> {
  driver = driverOf(fake, {
    url,
    trust: { kind: "pins", pins: parsePins(pins) },
    statisticsIntervalMs: 20,
    onTrouble: (message) => troubles.push(message),
  });
  await driver.whenReady();
  return driver;
}

async function isMeasured(on: XcpngDriver, vmId: string): Promise<void> {
  await eventually(`${vmId} is measured`, () => {
    const { cpuPermille } = on.sample(vmId)?.machine ?? {};
    return (cpuPermille !== null && cpuPermille !== undefined) || undefined;
  });
}

const check = async (pins: string) => {
  const configuration = poolConfiguration(
    { BIOXEN_XCPNG_URL: fake.url, BIOXEN_XCPNG_FINGERPRINT: pins, BIOXEN_XCPNG_PASSWORD: fake.password },
    "test",
  );
  if (configuration === undefined) throw new Error("the configuration names no pool");
  return checkPool(configuration);
};

beforeEach(async () => {
  fake = await createFakeXapi();
  troubles = [];
});
afterEach(async () => {
  await driver?.close();
  driver = undefined;
  await fake.close();
});

describe("with one fingerprint, for the name of the master", () => {
  it("a machine is measured although its host's address is another name of the master", async () => {
    const named = await driverWith(fake.fingerprint, `https://localhost:${fake.port}`);
    await named.start(machineSpec("x1", 10));
    await isMeasured(named, "x1");
    expect(troubles).toEqual([]);
  });

  it("machines on every member are measured, by the certificates that the master tells", async () => {
    const member = await withMember();
    const on = await driverWith(fake.fingerprint);
    await on.start(machineSpec("x1", 10));
    await moveTo(member.ref, on);
    await isMeasured(on, "x1");
    expect(troubles).toEqual([]);
  });

  it("a machine is measured again after its member got a new certificate", async () => {
    const member = await withMember();
    const on = await driverWith(fake.fingerprint);
    await on.start(machineSpec("x1", 10));
    await moveTo(member.ref, on);
    await isMeasured(on, "x1");
    // Values that are not numbers replace the last measurement, which would else be shown for half a minute.
    fake.faults.switches.nanStatistics = true;
    await eventually("it is not measured", () => on.sample("x1")?.machine?.cpuPermille === null || undefined);
    const renewed = member.renew();
    await eventually("the driver sees the new certificate", () => troubles.length > 0 || undefined);
    fake.faults.switches.nanStatistics = false;
    fake.pool.certificates.set(member.ref, renewed.certificate);
    await isMeasured(on, "x1");
  });

  it("a certificate that the member does not present is refused", async () => {
    const member = await withMember();
    const client = clientOf(fake);
    client.learnPin(MEMBER, OTHER_PIN.replaceAll(/..(?!$)/g, "$&:"));
    const error = await thrownBy(client.get(MEMBER, "/rrd_updates", {}));
    expect(error.message).toContain(member.fingerprint);
    await client.close();
  });

  it("a configured fingerprint of the member precedes what the master tells", async () => {
    await withMember();
    const pins = `${fake.fingerprint},${MEMBER}=${OTHER_PIN}`;
    const client = clientOf(fake, { trust: { kind: "pins", pins: parsePins(pins) } });
    expect(client.needsPin(MEMBER)).toBe(false);
    client.learnPin(MEMBER, fake.fingerprint);
    expect((await thrownBy(client.get(MEMBER, "/rrd_updates", {}))).message).toContain("AB:AB");
    await client.close();
  });
});

describe("a member whose certificate the pool cannot tell", () => {
  let member: { readonly ref: string; readonly metrics: string };
  beforeEach(async () => {
    const { ref } = await withMember();
    const { metrics } = fake.pool.db.get("host", ref) as { metrics: string };
    member = { ref, metrics };
    fake.pool.db.update("host_metrics", metrics, { live: false });
  });

  it("is named by the check and by the agent, once, with what to add", async () => {
    const { problem, warning } = await check(fake.fingerprint);
    expect(problem).toBeUndefined();
    expect(warning).toContain(`host-2 (${MEMBER}: host.get_server_certificate: HOST_OFFLINE`);
    expect(warning).toContain(`Add ${MEMBER}=SHA256 to the fingerprints`);
    await driverWith(fake.fingerprint);
    expect(troubles.filter((message) => message.includes("host-2"))).toHaveLength(1);
  });

  it("delays no other measurement, and its own machines are measured once it is back", async () => {
    const on = await driverWith(fake.fingerprint);
    await on.start(machineSpec("x1", 10));
    await isMeasured(on, "x1");
    expect(troubles.filter((message) => message.startsWith("statistics"))).toEqual([]);
    fake.pool.db.update("host_metrics", member.metrics, { live: true });
    fake.faults.switches.nanStatistics = true;
    await eventually("it is not measured", () => on.sample("x1")?.machine?.cpuPermille === null || undefined);
    await moveTo(member.ref, on);
    fake.faults.switches.nanStatistics = false;
    await isMeasured(on, "x1");
  });

  it("is not named when its fingerprint is configured", async () => {
    expect(await check(`${fake.fingerprint},${MEMBER}=${OTHER_PIN}`)).toEqual({ warning: undefined });
  });
});

describe("the line that openssl prints", () => {
  it.each(["sha256 Fingerprint", "SHA256 Fingerprint", "sha256 fingerprint "])(
    "%s=… can be pasted",
    (prefix) => {
      const [first, second] = ["AB".repeat(32), "CD".repeat(32)].map((hex) =>
        hex.replaceAll(/..(?!$)/g, "$&:"),
      );
      expect([...parsePins(`${prefix}=${first}`)]).toEqual([["*", first]]);
      expect([...parsePins(`${first}, 10.0.0.2=${prefix}=${second}`)]).toEqual([
        ["*", first],
        ["10.0.0.2", second],
      ]);
    },
  );

  it("connects `up` to the pool", async () => {
    expect(await check(`sha256 Fingerprint=${fake.fingerprint}`)).toEqual({ warning: undefined });
  });
});
