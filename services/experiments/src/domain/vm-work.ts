/**
 * What is due for one VM of an experiment: a comparison of the experiment with the VM as it is now.
 *
 * The comparison needs no memory of earlier steps, so it gives the same work after a crash. A VM that a user has stopped
 * or paused is left alone: the experiment waits for the user.
 */
import {
  EXPERIMENT_LABEL,
  outcomeOf,
  type StartedExperiment,
  type Vm,
  type VmState,
} from "@bioxen/contracts";

export type VmWork =
  /** Nothing is due, now or later. */
  | { readonly kind: "done" }
  /** Another event makes the next step due. `reason` is null while the VM makes progress. */
  | { readonly kind: "wait"; readonly reason: string | null }
  | { readonly kind: "create"; readonly incarnation: number }
  | { readonly kind: "start" }
  /** The VM has reached its last minute: its course is complete. */
  | { readonly kind: "collect"; readonly incarnation: number }
  /** The VM will have no result. */
  | { readonly kind: "fail"; readonly incarnation: number; readonly reason: string }
  | { readonly kind: "destroy"; readonly incarnation: number }
  /** Another VM has the id, so the experiment cannot go on. */
  | { readonly kind: "foreign"; readonly reason: string };

/** One VM of an experiment, as the file has it. */
export interface OwnVm {
  readonly experimentId: string;
  readonly index: number;
  readonly vmId: string;
  readonly seed: number;
}

const DONE: VmWork = { kind: "done" };
const PROGRESS: VmWork = { kind: "wait", reason: null };

/**
 * Returns true for a VM that the experiment has made: its label, and the seed that follows from the file. A VM that its
 * owner gave both by hand counts as well.
 */
export function isOf({ experimentId, seed }: Pick<OwnVm, "experimentId" | "seed">, vm: VmState): vm is Vm {
  return vm.exists && vm.labels[EXPERIMENT_LABEL] === experimentId && vm.seed === seed;
}

/** Returns true for a VM of the experiment that is not destroyed. */
export function isPresent(own: Pick<OwnVm, "experimentId" | "seed">, vm: VmState): vm is Vm {
  return isOf(own, vm) && vm.state !== "destroyed";
}

export function vmWorkOf(state: StartedExperiment, own: OwnVm, vm: VmState): VmWork {
  const outcome = outcomeOf(state, own.index);
  if (state.status !== "running" && state.status !== "finished") {
    return isPresent(own, vm) ? destruction(vm) : DONE;
  }
  if (outcome !== null) {
    const isLeft = isPresent(own, vm) && vm.incarnation === outcome.incarnation;
    return isLeft && state.file["keep"] !== true ? destruction(vm) : DONE;
  }
  if (state.status === "finished") return DONE;
  if (!vm.exists) return { kind: "create", incarnation: 1 };
  if (vm.state === "destroyed") {
    if (vm.owner === state.owner) return { kind: "create", incarnation: vm.incarnation + 1 };
    return { kind: "foreign", reason: `the id ${own.vmId} was that of a VM of another owner` };
  }
  if (!isOf(own, vm)) {
    return { kind: "foreign", reason: `the id ${own.vmId} belongs to a VM that is not of this experiment` };
  }
  return workOfPresent(vm);
}

function destruction(vm: Vm): VmWork {
  const isUnderWay = vm.state === "stopping" && vm.destroyRequested;
  return isUnderWay ? PROGRESS : { kind: "destroy", incarnation: vm.incarnation };
}

function workOfPresent(vm: Vm): VmWork {
  const { state, incarnation } = vm;
  switch (state) {
    case "created":
      return { kind: "start" };
    case "pending":
      return { kind: "wait", reason: vm.reason ?? "it waits for a place" };
    case "stopped":
      if (vm.untilReached === true) return { kind: "collect", incarnation };
      return { kind: "wait", reason: "it was stopped before its last minute: start it to go on" };
    case "paused":
      return { kind: "wait", reason: vm.reason ?? "it is paused: resume it to go on" };
    case "error":
      // The cell failed after its last minute: its course is complete.
      if (vm.untilReached === true) return { kind: "collect", incarnation };
      if (willRestart(vm)) return { kind: "wait", reason: vm.reason };
      return { kind: "fail", incarnation, reason: `${vm.failure ?? "error"}: ${vm.reason ?? "it failed"}` };
    default:
      return PROGRESS;
  }
}

/** Returns true while the restart policy of a failed VM starts it again by itself. */
function willRestart({ restartPolicy: { mode, maxAttempts }, automaticStarts }: Vm): boolean {
  return mode !== "never" && automaticStarts < maxAttempts;
}
