/**
 * A place that a ledger holds for a VM.
 */
import { type LedgerEntry, placeKeptUntilMs, type Vm } from "@bioxen/contracts";

/** A reservation for a VM, and the chassis that it is on. */
export interface ReservedPlace {
  readonly chassisId: string;
  readonly entry: LedgerEntry;
}

/**
 * Returns true while `entry` has this fence and has not expired. Once it has expired, the allocator may release it at
 * any moment.
 */
export function isCurrent(entry: LedgerEntry | undefined, fence: number, nowMs: number): boolean {
  return entry?.fence === fence && (entry.expiresAtMs === null || nowMs < entry.expiresAtMs);
}

/**
 * Returns true while the placed VM has its place: its entry has the VM's fence and has not expired, or the VM keeps the
 * place for longer because of its start. The allocator never releases an entry that its VM has taken.
 */
export function isPlaceCurrent(vm: Vm, entry: LedgerEntry | undefined, nowMs: number): boolean {
  if (vm.fence === null || entry?.fence !== vm.fence) return false;
  return isCurrent(entry, vm.fence, nowMs) || nowMs < placeKeptUntilMs(vm);
}
