/**
 * The agent that runs the guest of a VM.
 */
import { type ChassisState, refuse, type Vm } from "@bioxen/contracts";
import type { ReadModel } from "@bioxen/kernel";
import type { VmRejection } from "../domain/vm-decision.ts";

/**
 * Returns the agent of the VM's chassis and the fence of the VM's place; refuses with UNAVAILABLE when the chassis is
 * not registered.
 */
export function agentOf(
  chassis: ReadModel<ChassisState>,
  vmId: string,
  { chassisId, fence }: Vm,
): { readonly agentId: string; readonly fence: number } | VmRejection {
  const host = chassisId === null ? undefined : chassis.get(chassisId);
  if (host === undefined || !host.registered || fence === null) {
    const message = `the chassis of ${vmId} is not registered: try again once its agent is up`;
    return refuse("UNAVAILABLE", message, { retryable: true });
  }
  return { agentId: host.agentId, fence };
}
