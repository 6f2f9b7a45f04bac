/**
 * A place that a ledger holds for a VM.
 */
import type { LedgerEntry } from "@bioxen/contracts";

/** A VM's reservation and the chassis it is on. */
export interface HeldPlace {
  readonly chassisId: string;
  readonly entry: LedgerEntry;
}

/** True while `entry` is the one with this fence and not past its time: after that the allocator may be giving it back. */
export function isGood(entry: LedgerEntry | undefined, fence: number, nowMs: number): boolean {
  return entry?.fence === fence && (entry.expiresAtMs === null || nowMs < entry.expiresAtMs);
}
