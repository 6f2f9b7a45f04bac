/**
 * Which reservation a VM without a place waits for.
 */
import type { LedgerEntry } from "./ledger.ts";
import type { VmState } from "./vm.ts";

/**
 * True when `entry` was made for this VM, in this life, since it began to wait. What is older was for an earlier wait that ended
 * without it, or for a move, and its ledger may be giving it back at this moment.
 */
export function isForWaiting(vm: VmState, entry: Pick<LedgerEntry, "incarnation" | "fence">): boolean {
  return (
    vm.exists &&
    vm.state === "pending" &&
    vm.pendingSinceSeq !== null &&
    entry.incarnation === vm.incarnation &&
    entry.fence > vm.pendingSinceSeq
  );
}
