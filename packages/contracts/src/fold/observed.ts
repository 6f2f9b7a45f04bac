/**
 * What was seen to be done to a VM's machine by others, as far as later decisions need it, and where it leads a VM that follows.
 */
import type { OBSERVED_EVENTS, SeenChange } from "../events/observed.ts";
import type { VmEvent } from "../events/vm.ts";
import { reasonLeft } from "../preemption.ts";
import { stopping } from "./stopping.ts";
import type { Vm } from "./vm.ts";

/** Of one place; a new place begins anew. */
export interface Observations {
  readonly fence: number;
  /** When each kind of change was last recorded, by the agent's clock. */
  readonly seenAtMs: Readonly<Partial<Record<SeenChange, number>>>;
}

/** Why a VM is what its machine was made by others. */
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

export function evolveObserved(vm: Vm, data: ObservedData): Partial<Vm> {
  const { fence, seen, seenAtMs } = data;
  const known = vm.observed?.fence === fence ? vm.observed.seenAtMs : {};
  const observed: Observations = { fence, seenAtMs: { ...known, [seen]: seenAtMs } };
  return data.consequence === "FOLLOW" ? { observed, ...ledTo(vm, seen) } : { observed };
}

function ledTo(vm: Vm, seen: SeenChange): Partial<Vm> {
  const reason = SEEN_REASONS[seen];
  switch (seen) {
    case "paused":
    case "suspended":
      return { state: "paused", reason: reasonLeft(vm) ?? reason };
    case "resumed":
      return { state: "running", reason: reasonLeft(vm) };
    case "halted":
      return stopping(vm, reason, false);
    case "deleted":
      // Without a place there is nothing to stop first.
      return vm.fence === null ? { reason, destroyRequested: true } : stopping(vm, reason, true);
    case "started":
    case "moved":
      return {};
  }
}
