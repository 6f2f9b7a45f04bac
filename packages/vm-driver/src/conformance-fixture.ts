/**
 * What the parts of the conformance suite share: the driver under test, and what is said of it. Imports Vitest.
 */
import { expect } from "vitest";
import type { GuestSample, GuestSpec, VmDriver } from "./driver.ts";
import { type DriverErrorCode, driverErrorCode } from "./driver-error.ts";

export interface DriverUnderTest {
  readonly driver: VmDriver;
  /** A spec this driver starts, of the given VM and fence. Its allocation names every resource the driver meters. */
  spec(vmId: string, fence: number): GuestSpec;
  /** Valid source and the result it must have. Needed where the driver has exec. */
  readonly program?: { readonly source: string; readonly result: unknown };
}

export interface Fixture {
  subject(): DriverUnderTest;
  driver(): VmDriver;
  start(vmId: string, fence: number): Promise<void>;
  /** A driver of its own, as an agent has that was started again, or on another host. */
  another(): Promise<VmDriver>;
}

export async function refused(call: Promise<unknown>, code: DriverErrorCode): Promise<void> {
  const outcome = await call.then(
    () => "it succeeded",
    (error: unknown) => driverErrorCode(error) ?? error,
  );
  expect(outcome).toBe(code);
}

export function states(driver: VmDriver): Record<string, string> {
  return Object.fromEntries(driver.list().map((status) => [status.vmId, `${status.state}@${status.fence}`]));
}

export function capIn(sample: GuestSample | undefined, resource: string): number | undefined {
  if (resource === "ribosomes") return sample?.ribosomes.cap;
  if (resource === "atpPerSecond") return sample?.atp.capPerSecond;
  if (resource === "rnaPolymerases") return sample?.rnaPolymerases.cap;
  return undefined;
}
