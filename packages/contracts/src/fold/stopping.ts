/**
 * What changes of a VM that is to stop, whoever wants it.
 */
import { over } from "../preemption.ts";
import type { Vm } from "./vm.ts";

export function stopping(vm: Vm, reason: string | null, destroy: boolean): Partial<Vm> {
  return {
    state: "stopping",
    reason,
    refusals: [],
    preemption: over(vm),
    migration: null,
    destroyRequested: destroy || vm.destroyRequested,
  };
}
