/**
 * Folds the observed changes of a VM: changes that other tools made to the VM's machine in its pool. The fold keeps the
 * time of each change for later decisions. If the event has the consequence `FOLLOW`, the VM also gets the state of its
 * machine.
 */
import type { OBSERVED_EVENTS, SeenChange } from "../events/observed.ts";
import type { VmEvent } from "../events/vm.ts";
import { remainingReason } from "../preemption.ts";
import { stopping } from "./vm-run.ts";
import type { Observations, Vm } from "./vm-state.ts";

/**
 * The `reason` that a VM gets when another tool has changed the VM's machine and the VM's state follows the change. The
 * key is the kind of change.
 */
export const SEEN_REASONS: Readonly<Record<SeenChange, string>> = {
  paused: "it was paused in its pool, and not by BioXen",
  suspended: "it was suspended in its pool, and not by BioXen",
  resumed: "it was resumed in its pool, and not by BioXen",
  halted: "it was halted in its pool, and not by BioXen",
  started: "it was started in its pool, and not by BioXen",
  deleted: "it was deleted from its pool, and not by BioXen",
  moved: "it was moved to another host of its pool, and not by BioXen",
};

type ObservedData = Extract<VmEvent, { type: keyof typeof OBSERVED_EVENTS }>["data"];

/** Returns the new values of the VM's fields after an observed change of its machine. */
export function evolveObserved(vm: Vm, data: ObservedData): Partial<Vm> {
  const { fence, seen, seenAtMs } = data;
  const known = vm.observed?.fence === fence ? vm.observed.seenAtMs : {};
  const observed: Observations = { fence, seenAtMs: { ...known, [seen]: seenAtMs } };
  return data.consequence === "FOLLOW" ? { observed, ...following(vm, seen) } : { observed };
}

function following(vm: Vm, seen: SeenChange): Partial<Vm> {
  const reason = SEEN_REASONS[seen];
  switch (seen) {
    case "paused":
    case "suspended":
      return { state: "paused", reason: remainingReason(vm) ?? reason };
    case "resumed":
      return { state: "running", reason: remainingReason(vm) };
    case "halted":
      return stopping(vm, reason, false);
    case "deleted":
      // A VM without a place has no guest that must stop before the VM is destroyed.
      return vm.fence === null ? { reason, destroyRequested: true } : stopping(vm, reason, true);
    case "started":
    case "moved":
      return {};
  }
}
