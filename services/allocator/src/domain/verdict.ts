/**
 * Does a VM still use this reservation? Read from the VM's own story.
 *
 * The reader of the VMs may be behind the ledger: a reservation is a few events younger than the news of the VM it is for. So
 * nothing is released by what is not known yet, only by what the VM's story says after it.
 */
import { isForMove, isForWaiting, type LedgerEntry, type Vm, type VmState } from "@bioxen/contracts";
import type { EntryVerdict } from "./ledger.ts";

/** `vm` as known after the event with sequence `knownSeq`. */
export function verdictOf(entry: LedgerEntry, vm: VmState, knownSeq: number): EntryVerdict {
  if (entry.fence > knownSeq) return "keep";
  if (!vm.exists || vm.incarnation !== entry.incarnation) return "release";
  if (isOfMove(entry, vm)) return "keep";
  switch (vm.state) {
    case "running":
    case "paused":
      return vm.fence === entry.fence ? "commit" : "release";
    case "starting":
    case "stopping":
      // Its guest may run or come to run: it is given back when the VM has given it up or has stopped, by no clock.
      return vm.fence === entry.fence ? "hold" : "release";
    case "pending":
      return isForWaiting(vm, entry) ? "keep" : "release";
    default:
      return "release";
  }
}

/** The place a move leads to: it becomes an allocation once the VM has moved. */
function isOfMove(entry: LedgerEntry, vm: Vm): boolean {
  if (vm.migration === null || entry.fence === vm.fence) return false;
  return vm.migration.target === null ? isForMove(vm, entry) : entry.fence === vm.migration.target.fence;
}
