/**
 * The conformance suite and one machine's life on a real pool. They run only when a pool is named:
 *
 *   BIOXEN_LIVE_XCPNG=yes BIOXEN_XCPNG_URL=https://… BIOXEN_XCPNG_FINGERPRINT=… BIOXEN_XCPNG_PASSWORD_FILE=… \
 *   BIOXEN_XCPNG_TEMPLATE=… [BIOXEN_XCPNG_SSH_…] pnpm vitest run --project int packages/driver-xcpng/test/live.int.test.ts
 *
 * The tests create and destroy small VMs under a random owner id, and touch nothing else.
 */
import { randomBytes } from "node:crypto";
import { eventually } from "@bioxen/testkit/eventually";
import { DriverError } from "@bioxen/vm-driver";
import { driverConformance } from "@bioxen/vm-driver/conformance";
import { describe, expect, it } from "vitest";
import { poolConfiguration } from "../src/driver/configuration.ts";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { createXcpngDriver } from "../src/driver/xcpng-driver.ts";
import { machineSpec, ownerOf } from "./fleet.ts";

const isAsked = process.env["BIOXEN_LIVE_XCPNG"] === "yes";
if (!isAsked) console.warn("BIOXEN_LIVE_XCPNG is not set: the tests on a real pool are skipped");

/** Guests of a real pool take minutes to boot and to shut down. */
const TIMEOUT_MS = 600_000;
const owner = `live-${randomBytes(4).toString("hex")}`;

/** A driver without programs by default: they need a booted guest, and the conformance suite does not wait for one. */
function liveDriver({ hasPrograms = false } = {}): XcpngDriver {
  const pool = poolConfiguration(process.env, owner);
  if (pool === undefined) throw new Error("BIOXEN_XCPNG_URL names no pool");
  const ssh = hasPrograms ? pool.options.ssh : undefined;
  return createXcpngDriver({ ...pool.options, owner: ownerOf(owner), ssh });
}

/** Ignores a retryable failure: the guest has no address yet, or its SSH server does not listen yet. */
function unlessRetryable(thrown: unknown): undefined {
  if (!(thrown instanceof DriverError) || !thrown.retryable) throw thrown;
}

it("BIOXEN_LIVE_XCPNG is yes, or nothing runs", () => {
  expect(isAsked || process.env["BIOXEN_LIVE_XCPNG"] === undefined).toBe(true);
});

describe.skipIf(!isAsked)("a real pool", { timeout: TIMEOUT_MS }, () => {
  driverConformance("xcpng, live", async () => {
    const driver = liveDriver();
    await driver.whenReady();
    for (const { vmId, fence } of driver.list()) await driver.stop(vmId, fence);
    for (const { vmId, incarnation } of driver.kept()) await driver.discard(vmId, incarnation);
    await driver.close();
    const fresh = liveDriver();
    await fresh.whenReady();
    return { driver: fresh, spec: machineSpec };
  });

  it("a machine starts, runs a program if SSH is configured, stops, and leaves nothing", async () => {
    const driver = liveDriver({ hasPrograms: true });
    await driver.whenReady();
    const vmId = "live-one";
    await driver.start(machineSpec(vmId, 1_000));
    expect(driver.list()).toContainEqual({ vmId, fence: 1_000, restores: 0, state: "running" });
    if (driver.capabilities.exec) {
      const run = () => driver.exec(vmId, 1_000, "echo lived", { timeoutMs: 10_000 });
      const ran = await eventually("it has booted", () => run().catch(unlessRetryable), TIMEOUT_MS);
      expect(ran.stdout).toBe("lived\n");
    }
    for (const guest of driver.list()) await driver.stop(guest.vmId, guest.fence);
    for (const kept of driver.kept()) await driver.discard(kept.vmId, kept.incarnation);
    expect([driver.list(), driver.kept()]).toEqual([[], []]);
    await driver.close();
  });
});
