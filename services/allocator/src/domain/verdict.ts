/**
 * Reads from a VM's own events whether the VM still uses a reservation.
 *
 * The read model of the VMs may lag behind the ledger, and then lacks VM events that are newer than the reservation. So
 * a reservation is kept until the read model has applied the log up to the sequence of that reservation. A missing VM
 * event therefore never releases a reservation.
 */
import { isForMove, isForWaiting, type LedgerEntry, type Vm, type VmState } from "@bioxen/contracts";
import type { EntryVerdict } from "./settlement.ts";

/**
 * Decides whether a ledger entry is kept, committed, held or released. `vm` is the state of its VM after every event up
 * to sequence `knownSeq`.
 */
export function verdictOf(entry: LedgerEntry, vm: VmState, knownSeq: number): EntryVerdict {
  if (entry.fence > knownSeq) return "keep";
  if (!vm.exists || vm.incarnation !== entry.incarnation) return "release";
  if (isTargetOfMove(entry, vm)) return "keep";
  switch (vm.state) {
    case "running":
    case "paused":
      return vm.fence === entry.fence ? "commit" : "release";
    case "starting":
    case "stopping":
      // The guest may run already (while the VM starts) or still (while it stops). So only the VM's next event releases
      // the entry, never a time limit.
      return vm.fence === entry.fence ? "hold" : "release";
    case "pending":
      return isForWaiting(vm, entry) ? "keep" : "release";
    default:
      return "release";
  }
}

/** True for the reservation to which the VM is moving. It becomes an allocation once the VM has moved. */
function isTargetOfMove(entry: LedgerEntry, vm: Vm): boolean {
  if (vm.migration === null || entry.fence === vm.fence) return false;
  return vm.migration.target === null ? isForMove(vm, entry) : entry.fence === vm.migration.target.fence;
}
