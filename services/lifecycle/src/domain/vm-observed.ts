/**
 * What follows when somebody else changed a VM's machine, and whether it is worth a line in its history.
 *
 * The pool can be changed as often as anybody likes, so what changes nothing about the VM is told once a minute for each kind and
 * place. What the VM follows is told each time: it is a move of its state.
 */
import {
  type DriftConsequence,
  type DriftPolicy,
  isHeldByPreemption,
  type OutsideChangeReport,
  type SeenChange,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, UNCHANGED } from "@bioxen/kernel";
import type { VmDecision } from "./vm.ts";

/** Until the same kind of change is told again, ms of the agent's clock. Shorter, and a script that pauses a VM in a loop fills the log. */
export const OBSERVED_AGAIN_MS = 60_000;

export function decideObserved(state: VmState, fence: number, change: OutsideChangeReport): VmDecision {
  if (!state.exists || !isAbout(state, fence)) return UNCHANGED;
  const consequence = consequenceOf(state, change.seen, change.drift);
  if (!isNews(state, fence, change, consequence)) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.observed.v1", data: { fence, ...change, consequence } });
}

/** Its machine is the one of its present place, or what its last place left in the pool. */
function isAbout(vm: Vm, fence: number): boolean {
  if (vm.fence !== null) return vm.fence === fence;
  return vm.lastFence === fence && (vm.state === "stopped" || vm.state === "error");
}

/** What was told before, and what is not newer than it, is a report that came twice. */
function isNews(
  { observed }: Vm,
  fence: number,
  { seen, seenAtMs }: OutsideChangeReport,
  consequence: DriftConsequence,
): boolean {
  if (observed?.fence !== fence) return true;
  const toldAtMs = observed.seenAtMs[seen];
  if (consequence === "FOLLOW") return seenAtMs > Math.max(...Object.values(observed.seenAtMs));
  return toldAtMs === undefined || seenAtMs >= toldAtMs + OBSERVED_AGAIN_MS;
}

function consequenceOf(vm: Vm, seen: SeenChange, drift: DriftPolicy): DriftConsequence {
  const isAccepted = drift === "accept";
  switch (seen) {
    case "paused":
    case "suspended":
      if (vm.state === "starting") return "REPAIR";
      if (vm.state !== "running") return "NONE";
      return isAccepted ? "FOLLOW" : "REPAIR";
    case "resumed":
      if (vm.state !== "paused") return "NONE";
      // What preemption holds has not the room to go on.
      return isAccepted && !isHeldByPreemption(vm) ? "FOLLOW" : "REPAIR";
    case "started":
      // Without a place it has no allocation, whatever the policy.
      return vm.fence === null || vm.state === "paused" || vm.state === "stopping" ? "REPAIR" : "NONE";
    case "halted":
      if (vm.fence === null || vm.state === "stopping") return "NONE";
      return isAccepted ? "FOLLOW" : "FAIL";
    case "deleted":
      if (isAccepted && !vm.destroyRequested) return "FOLLOW";
      return vm.fence === null || vm.state === "stopping" ? "NONE" : "FAIL";
    case "moved":
      return "NONE";
  }
}
