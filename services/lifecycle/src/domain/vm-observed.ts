/**
 * Rules for changes to a VM's machine that were made in the pool, outside BioXen: the consequence of each change, and
 * whether the VM's log records the change.
 *
 * Users can change a pool as often as they like. A change without consequence for the VM's state is therefore
 * recorded at most once per minute, kind and place. A change that the VM follows is recorded each time, because it
 * changes the VM's state.
 */
import {
  type DriftConsequence,
  type DriftPolicy,
  endsWithAgent,
  isHeldByPreemption,
  type OutsideChangeReport,
  type SeenChange,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, UNCHANGED } from "@bioxen/kernel";
import type { VmDecision } from "./vm-decision.ts";

/**
 * Shortest time between two records of the same kind of change, ms of the agent's clock. With a shorter time, a script
 * that pauses a machine in a loop would fill the log.
 */
export const OBSERVED_AGAIN_MS = 60_000;

export function decideObserved(state: VmState, fence: number, change: OutsideChangeReport): VmDecision {
  // Only a machine of a pool can be changed from outside: the guest of any other VM lives in its agent.
  if (!state.exists || endsWithAgent(state.vmType) || !isAbout(state, fence)) return UNCHANGED;
  const consequence = consequenceOf(state, change.seen, change.drift);
  if (!isNews(state, fence, change, consequence)) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.observed.v1", data: { fence, ...change, consequence } });
}

/**
 * Returns true when the change is about the VM's present machine, or about the machine that a stopped or failed VM has
 * left in the pool.
 */
function isAbout(vm: Vm, fence: number): boolean {
  if (vm.fence !== null) return vm.fence === fence;
  return vm.lastFence === fence && (vm.state === "stopped" || vm.state === "error");
}

/**
 * Returns true when the change must be recorded. A change that the VM follows must be newer than every recorded one.
 * Any other change must come at least {@link OBSERVED_AGAIN_MS} after the last recorded change of its kind.
 */
function isNews(
  { observed }: Vm,
  fence: number,
  { seen, seenAtMs }: OutsideChangeReport,
  consequence: DriftConsequence,
): boolean {
  if (observed?.fence !== fence) return true;
  const recordedAtMs = observed.seenAtMs[seen];
  if (consequence === "FOLLOW") return seenAtMs > Math.max(...Object.values(observed.seenAtMs));
  return recordedAtMs === undefined || seenAtMs >= recordedAtMs + OBSERVED_AGAIN_MS;
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
      // Preemption has taken the resources of a VM that it paused, so the VM must be paused again.
      return isAccepted && !isHeldByPreemption(vm) ? "FOLLOW" : "REPAIR";
    case "started":
      // A VM without a place has no allocation, so its machine must not run, whatever the drift policy is.
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
