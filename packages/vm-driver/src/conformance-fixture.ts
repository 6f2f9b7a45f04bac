/**
 * The fixture that all parts of the conformance suite use: the driver under test and its description. Imports Vitest.
 */
import { expect, vi } from "vitest";
import type { GuestSpec, VmDriver } from "./driver.ts";
import { type DriverErrorCode, driverErrorCode } from "./driver-error.ts";
import type { GuestSample } from "./guest-sample.ts";

/** Why a test is skipped. */
export const LACKS = "the driver does not have what this test is about";

export interface DriverUnderTest {
  readonly driver: VmDriver;
  /** Returns a valid spec with the given VM and fence. Its allocation names every resource that the driver meters. */
  spec(vmId: string, fence: number): GuestSpec;
  /** Source that `exec` runs without an error, and the result that it must return. Required if the driver has exec. */
  readonly program?: { readonly source: string; readonly result: unknown };
}

export interface Fixture {
  subject(): DriverUnderTest;
  driver(): VmDriver;
  start(vmId: string, fence: number): Promise<void>;
  /** Makes a second, independent driver, like that of a restarted agent or of another host. */
  another(): Promise<VmDriver>;
}

export async function refused(call: Promise<unknown>, code: DriverErrorCode): Promise<void> {
  const outcome = await call.then(
    () => "it succeeded",
    (error: unknown) => driverErrorCode(error) ?? error,
  );
  expect(outcome).toBe(code);
}

/**
 * Returns the state and fence of every guest, by VM id. Also checks the look-ups by VM id: for each listed guest, the
 * look-up must return the same entry as the list. For an unknown id, it must return undefined.
 */
export function states(driver: VmDriver): Record<string, string> {
  for (const status of driver.list()) if (driver.guest) expect(driver.guest(status.vmId)).toEqual(status);
  for (const kept of driver.kept()) if (driver.keptGuest) expect(driver.keptGuest(kept.vmId)).toEqual(kept);
  expect(driver.guest?.("no-such-vm")).toBeUndefined();
  expect(driver.keptGuest?.("no-such-vm")).toBeUndefined();
  return Object.fromEntries(driver.list().map((status) => [status.vmId, `${status.state}@${status.fence}`]));
}

export function capIn(sample: GuestSample | undefined, resource: string): number | undefined {
  if (resource === "ribosomes") return sample?.ribosomes?.cap;
  if (resource === "atpPerSecond") return sample?.atp?.capPerSecond;
  if (resource === "rnaPolymerases") return sample?.rnaPolymerases?.cap;
  return undefined;
}

/** Longest wait for a sample that a guest reports by itself, ms. */
const SAMPLE_WITHIN_MS = 10_000;

/** Repeats the check of a sample until it passes: a guest outside this process reports its samples from time to time. */
export function untilSampled(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: SAMPLE_WITHIN_MS, interval: 20 });
}

/**
 * Lets this time pass for the driver's guests, and waits until each has computed all of it. A snapshot waits for what a
 * guest still does at its last minute.
 */
export async function live(driver: VmDriver, elapsedMs: number): Promise<void> {
  driver.tick(elapsedMs);
  if (driver.capabilities.clock !== "host") return;
  await untilSampled(() => {
    for (const { vmId, state } of driver.list()) {
      if (state === "running") expect(driver.sample(vmId)?.lagMs ?? 0, `lag of ${vmId}`).toBe(0);
    }
  });
  if (!driver.capabilities.snapshot) return;
  for (const { vmId, fence, state } of driver.list()) {
    if (state !== "failed") await driver.snapshot(vmId, fence);
  }
}
