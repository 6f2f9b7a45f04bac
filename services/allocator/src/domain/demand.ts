/**
 * Whether a VM asks for the reservation that a plan proposes for it.
 *
 * A plan may rest on an outdated view, and any client can send a plan. A reservation for a VM that does not wait for a
 * place would occupy room, and no event of the VM would free that room soon. A reservation with other amounts than the
 * VM's request would give the VM an allocation that it did not ask for.
 */
import type { Misfit, PlacementDecision, VmState } from "@bioxen/contracts";
import { type Amounts, equalAmounts } from "@bioxen/kernel";

export interface ProposedReservation {
  readonly vmId: string;
  readonly incarnation: number;
  readonly amounts: Amounts;
  /** Why the scheduler chose this chassis. Recorded with the reservation, not checked. */
  readonly decision?: PlacementDecision | undefined;
}

/**
 * Returns why the VM does not ask for this reservation. Returns undefined when the VM has this incarnation, requests
 * exactly these amounts, and waits for a place or for a target of its move.
 */
export function demandMisfit(
  vm: VmState,
  { vmId, incarnation, amounts }: ProposedReservation,
): Misfit | undefined {
  if (!vm.exists) return { code: "VM_NOT_FOUND", message: `there is no VM ${vmId}` };
  const isWaiting = vm.state === "pending" || vm.migration?.target === null;
  if (!isWaiting) return conflict(`${vmId} is ${vm.state} and waits for no place`);
  if (vm.incarnation !== incarnation) {
    return conflict(`${vmId} is in incarnation ${vm.incarnation}, the plan is for ${incarnation}`);
  }
  if (!equalAmounts(vm.request, amounts)) return conflict(`the plan has other amounts than ${vmId} requests`);
  return undefined;
}

/**
 * Returns why the VM's ledger entry must not be resized to `amounts`. Returns undefined when the VM runs or is paused
 * under `fence`, and `amounts` has every resource of the VM's request. After a resize, the VM adopts the new amounts.
 */
export function resizeObstacle(
  vm: VmState,
  { vmId, fence, amounts }: { readonly vmId: string; readonly fence: number; readonly amounts: Amounts },
): string | undefined {
  if (!vm.exists) return `there is no VM ${vmId}`;
  if (vm.fence !== fence || (vm.state !== "running" && vm.state !== "paused")) {
    return `${vmId} is ${vm.state} and does not run under the reservation ${fence}`;
  }
  const missing = Object.keys(vm.request).filter((name) => amounts[name] === undefined);
  return missing.length === 0 ? undefined : `the resize of ${vmId} leaves out ${missing.join(", ")}`;
}

function conflict(message: string): Misfit {
  return { code: "CONFLICT", message };
}
