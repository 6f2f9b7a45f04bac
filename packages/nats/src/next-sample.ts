/**
 * The next measurement of a VM in the feed of a tenant. A tenant may not ask the monitor, which knows all VMs.
 */
import { feedSubjects, SAMPLE_INTERVAL_MS, type VmSample } from "@bioxen/contracts";
import type { Bus } from "./bus.ts";

/** Longest wait for a measurement, ms: one lost sample does not matter. */
const WAIT_MS = 2 * SAMPLE_INTERVAL_MS;

/** Returns the next measurement of the VM; null when none comes within 2 s. */
export function nextSample(bus: Bus, tenant: string, vmId: string): Promise<VmSample | null> {
  return new Promise((resolve) => {
    const settle = (sample: VmSample | null) => {
      clearTimeout(timer);
      subscription.stop();
      resolve(sample);
    };
    const timer = setTimeout(() => settle(null), WAIT_MS);
    const { telemetry } = feedSubjects(tenant, vmId);
    const subscription = bus.subscribe(telemetry, (payload) => settle(payload as VmSample));
  });
}
