/**
 * Folds the events that change the allocation of a VM on its present chassis: a preemption, the end of a preemption,
 * and a resize.
 */
import { type EventPosition, equalAmounts } from "@bioxen/kernel";
import type { VmEvent } from "../events/vm.ts";
import { endedPreemption, isPausedByUser } from "../preemption.ts";
import type { Vm } from "./vm-state.ts";

export type AllocationEvent = Extract<
  VmEvent,
  { type: "bioxen.vm.preempted.v1" | "bioxen.vm.reinstated.v1" | "bioxen.vm.resized.v1" }
>;

export function evolveAllocation(vm: Vm, event: AllocationEvent, at: EventPosition): Vm {
  switch (event.type) {
    case "bioxen.vm.preempted.v1":
      return preempted(vm, event.data, at);
    case "bioxen.vm.reinstated.v1":
      return {
        ...vm,
        state: event.data.state,
        reason: null,
        allocation: event.data.allocation,
        preemption: endedPreemption(vm),
      };
    case "bioxen.vm.resized.v1":
      return resized(event.data.cell === undefined ? vm : { ...vm, cell: event.data.cell }, event.data);
  }
}

type Preempted = Extract<VmEvent, { type: "bioxen.vm.preempted.v1" }>["data"];

function preempted(vm: Vm, { mode, by, byPriority, reason, allocation }: Preempted, at: EventPosition): Vm {
  const heldByUser = isPausedByUser(vm);
  return {
    ...vm,
    state: mode === "pause" ? "paused" : vm.state,
    reason,
    allocation,
    // Preemption cancels a move, because the target chassis reserved the amounts that the VM held before the
    // preemption.
    migration: null,
    preemption: { mode, by, byPriority, reason, seq: at.seq, atMs: at.atMs, active: true, heldByUser },
  };
}

/**
 * Returns the VM after a resize. If the allocation now equals the full request, an active preemption ends. A VM that
 * was paused by that preemption then runs again, unless its user also paused it.
 */
function resized(vm: Vm, { request, allocation }: Pick<Vm, "request" | "allocation">): Vm {
  const next = { ...vm, request, allocation };
  if (vm.preemption?.active !== true || allocation === null || !equalAmounts(request, allocation))
    return next;
  const isReleased = vm.preemption.mode === "pause" && !vm.preemption.heldByUser;
  return {
    ...next,
    state: isReleased ? "running" : vm.state,
    reason: null,
    preemption: endedPreemption(vm),
  };
}
