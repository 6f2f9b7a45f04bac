/**
 * What is there without a running guest: kept parts of stopped guests, objects that could not be removed, and machines of
 * other owners.
 */

/** The parts of a stopped guest that its driver keeps, such as its disks. */
export interface KeptGuest {
  readonly vmId: string;
  readonly incarnation: number;
  /** The fence of the reservation under which the guest last ran. */
  readonly fence: number;
}

/** An object outside the host's process that the driver should remove, and that is still there. */
export interface LeftBehind {
  readonly vmId: string;
  readonly kind: "machine" | "snapshot" | "disk";
  /** The object's id where it is stored, such as its uuid in a pool. */
  readonly uuid: string;
  /** Number of tries to remove it, all of which failed. */
  readonly tries: number;
  /** Why the last try failed. */
  readonly reason: string;
  /** Time of the next try; absent when the driver no longer tries, and a person must remove the object. */
  readonly nextTryAtMs?: number | undefined;
}

/** A machine that a BioXen made and that does not belong to the agent of this driver. The driver never changes it. */
export interface Orphan {
  /** The machine's id where it runs, such as its uuid in a pool. */
  readonly uuid: string;
  /** The name under which administrators see it. */
  readonly name: string;
  /** The VM that it was made for. */
  readonly vmId: string;
  /** The BioXen and the agent that made it; the cluster is null for a release before clusters had ids. */
  readonly clusterId: string | null;
  readonly agentId: string;
  readonly incarnation: number;
  readonly fence: number;
  readonly state: "running" | "paused" | "halted";
  readonly resources: Readonly<Record<string, number>>;
  /**
   * `cluster`: another BioXen made it. `agent`: another agent of this BioXen made it. `log`: the log does not have its
   * reservation. `duplicate`: its VM has a newer machine.
   */
  readonly cause: "cluster" | "agent" | "log" | "duplicate";
}
