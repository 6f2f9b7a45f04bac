/**
 * Deadlines and limits of the driver, each with its reason.
 */

/** How long an operation of the pool may take before it is cancelled, ms. */
export interface Deadlines {
  /**
   * A copy-on-write clone takes seconds, on busy storage a minute. A full copy takes longer, in proportion to the disk.
   */
  readonly cloneMs: number;
  /** Time until Xen has built the domain; the guest boots afterwards. */
  readonly startMs: number;
  readonly hardShutdownMs: number;
  /** A resume reads the guest's whole memory from disk. */
  readonly resumeMs: number;
  /** A checkpoint writes the guest's whole memory to disk. */
  readonly snapshotMs: number;
  /** A revert switches the disks to those of the snapshot; for a checkpoint it also copies the memory. */
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
/** Time for a guest's services to end before the VM is switched off, ms. */
export const DEFAULT_SHUTDOWN_GRACE_MS = 60_000;
/** Longest time for a clean shutdown, ms. XAPI itself waits 20 minutes for one. */
export const MAX_SHUTDOWN_GRACE_MS = 1_200_000;
/** Hosts write a row of statistics every 5 s, so a shorter interval yields no new data. */
export const STATISTICS_INTERVAL_MS = 5_000;
/** How long the driver keeps a guest's metrics before it reads them again, ms. Addresses and tools change rarely. */
export const GUEST_METRICS_AGE_MS = 60_000;
/**
 * Share of a pool's memory that is kept back for the overhead of domains: shadow pages (about 1 % of a VM's memory) and
 * a few MiB per domain. With a smaller share the pool rejects the last VMs of a full pool; nothing else breaks.
 */
export const DOMAIN_OVERHEAD_PERMILLE = 20;
export const MIB = 1024 * 1024;
/** Smallest memory of a VM, MiB: with less, no kernel boots. */
export const MIN_MEMORY_MIB = 64;
/** Maximum number of virtual CPUs of one VM in XCP-ng 8. */
export const MAX_VCPUS = 64;
/** Maximum memory of one VM in XCP-ng 8, MiB. */
export const MAX_MEMORY_MIB = 2 ** 24;
/** Weight of priority 1 in Xen's credit scheduler (Xen's default). Each higher priority doubles the weight. */
export const WEIGHT_OF_PRIORITY_1 = 256;
