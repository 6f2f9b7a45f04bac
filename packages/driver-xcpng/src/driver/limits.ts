/**
 * Deadlines and limits of the driver, each with its reason.
 */

/**
 * Longest time without progress for each kind of operation in the pool, ms. An operation that makes no progress for
 * longer is cancelled. A full copy of a disk may take hours while its progress grows.
 */
export interface Deadlines {
  /** A copy-on-write clone takes seconds, or a minute on busy storage, and reports no progress meanwhile. */
  readonly cloneMs: number;
  /** A start ends when Xen has built the domain; the guest boots afterwards. */
  readonly startMs: number;
  readonly hardShutdownMs: number;
  /** A resume reads the guest's whole memory from disk. */
  readonly resumeMs: number;
  /** A snapshot with memory (a checkpoint) writes the guest's whole memory to disk. */
  readonly snapshotMs: number;
  /** A revert replaces the VM's disks by those of the snapshot and copies the memory of a checkpoint. */
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
/** Default time that a guest has for a clean shutdown before its VM is switched off, ms. */
export const DEFAULT_SHUTDOWN_GRACE_MS = 60_000;
/**
 * Longest time that a VM's config can give its guest for a clean shutdown, ms. XAPI itself waits as long: 20 minutes.
 */
export const MAX_SHUTDOWN_GRACE_MS = 1_200_000;
/**
 * Interval at which the driver reads statistics, ms. Hosts write a row every 5 s, so a shorter interval yields no new
 * data.
 */
export const STATISTICS_INTERVAL_MS = 5_000;
/** Age from which measurements of a machine are not shown, ms: six rows of a host. They describe the past. */
export const MEASUREMENT_AGE_MS = 30_000;
/** How long the driver keeps a guest's metrics before it reads them again, ms. Addresses and tools change rarely. */
export const GUEST_METRICS_AGE_MS = 60_000;
/**
 * Share of a pool's memory that the driver does not offer to VMs, in permille. Domains need this memory for shadow
 * pages (about 1 % of a VM's memory) and a few MiB each. With a smaller share, a nearly full pool rejects the last VMs;
 * nothing else breaks.
 */
export const DOMAIN_OVERHEAD_PERMILLE = 20;
/**
 * How long the pool may take to restart a machine whose host has failed, ms. A pool notices the failure before it marks
 * the machines as halted; the restarts then take seconds each, one after the other.
 */
export const HA_RESTART_MS = 120_000;
export const MIB = 1024 * 1024;
/** Smallest memory of a VM, MiB: with less, no kernel boots. */
export const MIN_MEMORY_MIB = 64;
/** Maximum number of virtual CPUs of one VM in XCP-ng 8. */
export const MAX_VCPUS = 64;
/** Maximum memory of one VM in XCP-ng 8, MiB. */
export const MAX_MEMORY_MIB = 2 ** 24;
/** Weight of priority 1 in Xen's credit scheduler (Xen's default). Each higher priority doubles the weight. */
export const WEIGHT_OF_PRIORITY_1 = 256;
/**
 * Maximum number of reverts for one restore of a VM under one reservation. Each revert makes new disks, so a revert that
 * fails is not repeated without end.
 */
export const MAX_REVERTS = 3;
/** Wait before the second try to remove an object that the pool did not remove, ms. Each further wait is doubled. */
export const FIRST_REMOVAL_WAIT_MS = 1_000;
/** Longest first wait that an agent's settings can name, ms: the tries then take 17 hours. */
export const MAX_FIRST_REMOVAL_WAIT_MS = 60_000;
/** Maximum number of tries to remove an object. With the first wait of 1 s, the tries take 17 minutes. */
export const MAX_REMOVAL_TRIES = 11;
/** Interval at which the driver looks whether a person has removed what it has given up, ms: one read for each object. */
export const LOOK_AFTER_LEFT_MS = 60_000;
/**
 * How long a machine may take from its start until its guest agent answers, ms, if its VM needs the agent. It covers the
 * boot of an operating system with its network and the start of the agent's service.
 */
export const DEFAULT_AGENT_WAIT_MS = 180_000;
/** Largest wait for a guest agent that an agent's settings can name, ms: an hour. */
export const MAX_AGENT_WAIT_MS = 3_600_000;
/** Time between two looks at a guest agent that does not answer yet, ms. Each look may open an SSH connection. */
export const AGENT_LOOK_MS = 500;
/** Interval at which a start that waits for a guest agent reports progress, ms: its VM keeps its place for 60 s. */
export const AGENT_PROGRESS_MS = 10_000;
/** How long a reply of a guest agent may take, ms. It stores the cell before it answers, on a disk that may be busy. */
export const CELL_CALL_MS = 30_000;
/**
 * Interval at which the driver looks at the cells in machines, ms. Each look reads their printed lines, which starts a
 * process in the machine. Samples arrive by xenstore, where the machine has its tools.
 */
export const CELL_POLL_MS = 5_000;
/** How long a report in xenstore may be older than the agent's answer over SSH, ms. The agent reports every second. */
export const REPORT_LAG_MS = 10_000;
/** First wait before a guest agent that did not answer is called again, ms. Each further wait is doubled. */
export const FIRST_PROBE_WAIT_MS = 2_000;
/** Longest wait before a guest agent that did not answer is called again, ms. */
export const MAX_PROBE_WAIT_MS = 60_000;
