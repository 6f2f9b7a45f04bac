/**
 * Changes that other tools made to a VM's machine in its pool: what later decisions need to know of them, and the state
 * of a VM that follows such a change.
 */
import type { OBSERVED_EVENTS, SeenChange } from "../events/observed.ts";
import type { VmEvent } from "../events/vm.ts";
import { remainingReason } from "../preemption.ts";
import { stopping } from "./vm-run.ts";
import type { Observations, Vm } from "./vm-state.ts";

/** The reason of a VM that follows a change of its machine. */
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

/** Returns the fields that the event changes. */
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
      // A VM without a place has no guest to stop first.
      return vm.fence === null ? { reason, destroyRequested: true } : stopping(vm, reason, true);
    case "started":
    case "moved":
      return {};
  }
}
