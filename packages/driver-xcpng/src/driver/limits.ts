/**
 * Deadlines and bounds of the driver, each with its reason.
 */

/** How long an operation of the pool may take before it is cancelled, ms. */
export interface Deadlines {
  /** A copy-on-write clone takes seconds; on busy storage a minute; a full copy as long as its disk is large. */
  readonly cloneMs: number;
  /** Until a domain is built; the guest boots after. */
  readonly startMs: number;
  readonly hardShutdownMs: number;
  /** A resume reads the guest's whole memory from disk. */
  readonly resumeMs: number;
  /** A checkpoint writes the guest's whole memory to disk. */
  readonly snapshotMs: number;
  /** Disks are pointed elsewhere; of a checkpoint, its memory is copied. */
  readonly revertMs: number;
}
export const DEFAULT_DEADLINES: Deadlines = {
  cloneMs: 180_000,
  startMs: 120_000,
  hardShutdownMs: 60_000,
  resumeMs: 300_000,
  snapshotMs: 300_000,
  revertMs: 300_000,
};
/** A guest's services get this long to end before it is switched off. XAPI itself would wait 20 minutes. */
export const DEFAULT_SHUTDOWN_GRACE_MS = 60_000;
export const MAX_SHUTDOWN_GRACE_MS = 1_200_000;
/** A pool's statistics have a row each 5 s; asking more often shows nothing new. */
export const STATISTICS_INTERVAL_MS = 5_000;
/** Addresses and tools of guests change rarely. */
export const GUEST_METRICS_AGE_MS = 60_000;
/**
 * Of a pool's memory, thousandths kept for what each domain costs beside its own: shadow pages (about 1 %) and some MiB.
 * Smaller, and the last VMs of a full pool fail to start; the pool itself refuses them, so nothing breaks.
 */
export const DOMAIN_OVERHEAD_PERMILLE = 20;
export const MIB = 1024 * 1024;
/** Least memory of a VM: below, no kernel boots. */
export const MIN_MEMORY_MIB = 64;
/** What one VM may have on XCP-ng 8. */
export const MAX_VCPUS = 64;
export const MAX_MEMORY_MIB = 2 ** 24;
/** Weight of the credit scheduler for priority 1; each step up doubles it (256 is Xen's default). */
export const WEIGHT_OF_PRIORITY_1 = 256;
