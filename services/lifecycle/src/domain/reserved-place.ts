/**
 * A place that a ledger holds for a VM.
 */
import type { LedgerEntry } from "@bioxen/contracts";

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
