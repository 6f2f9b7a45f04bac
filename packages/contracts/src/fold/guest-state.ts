/**
 * The stored states of a VM's guest: its snapshots, and the checkpoint from which the VM's next guest continues.
 *
 * When the VM loses its place, its checkpoint stays. When the VM stops or fails, the checkpoint is dropped.
 */
import type { BlobName } from "@bioxen/kernel";
import type { CheckpointRecord, GUEST_STATE_EVENTS } from "../events/guest-state.ts";
import type { VmEvent } from "../events/vm.ts";

export interface Checkpoint extends CheckpointRecord {
  /** Time of the event that recorded the checkpoint, epoch ms. */
  readonly atMs: number;
}

export interface Snapshot extends Checkpoint {
  readonly snapshotId: string;
}

/**
 * Maximum number of snapshots of one VM. A snapshot is kept until it is deleted, and each one adds a line to every view
 * and state of its VM.
 */
export const MAX_SNAPSHOTS = 16;

export interface GuestState {
  /** The checkpoint that the VM's next guest continues from; null: the next guest starts from the beginning. */
  readonly checkpoint: Checkpoint | null;
  /**
   * Number of times that the VM was restored from a snapshot. A guest that started before the latest restore is
   * outdated, and so are the checkpoints of that guest.
   */
  readonly restores: number;
  /** The snapshots of the VM, oldest first. */
  readonly snapshots: readonly Snapshot[];
}

export const NO_GUEST_STATE: GuestState = { checkpoint: null, restores: 0, snapshots: [] };

/**
 * Returns the branch of the VM's time course that its present cell writes: how often the cell was restored from a
 * snapshot, or began again at minute 0 after a stop or failure.
 */
export function courseBranch({
  restores,
  endedCells = 0,
}: Pick<GuestState, "restores"> & { readonly endedCells?: number | undefined }): number {
  return restores + endedCells;
}

/** Returns all stored states of a VM: its snapshots, then its checkpoint if there is one. */
export function checkpointsOf({ checkpoint, snapshots }: GuestState): CheckpointRecord[] {
  return checkpoint === null ? [...snapshots] : [...snapshots, checkpoint];
}

/** Returns the names of all blobs that the snapshots and the checkpoint of a VM refer to, each name once. */
export function blobsOf(vmId: string, state: GuestState): BlobName[] {
  return [...new Set(checkpointsOf(state).map((record) => blobOf(vmId, record)))];
}

export function blobOf(vmId: string, { checkpointId }: CheckpointRecord): BlobName {
  return `${vmId}.${checkpointId}`;
}

type GuestStateEvent = Extract<VmEvent, { type: keyof typeof GUEST_STATE_EVENTS }>;

/** Returns the changed fields of the VM's guest state, and the VM's new `reason` if the event gives one. */
export function evolveGuestState(
  { restores, snapshots }: GuestState,
  event: GuestStateEvent,
  atMs: number,
): Partial<GuestState> & { readonly reason?: string } {
  switch (event.type) {
    case "bioxen.vm.checkpointed.v1": {
      const { fence: _, ...checkpoint } = event.data;
      return { checkpoint: { ...checkpoint, atMs } };
    }
    case "bioxen.vm.checkpoint-lost.v1":
      return { checkpoint: null, reason: event.data.reason };
    case "bioxen.vm.snapshotted.v1": {
      const { fence: _, ...snapshot } = event.data;
      return { snapshots: [...snapshots, { ...snapshot, atMs }] };
    }
    case "bioxen.vm.snapshot-deleted.v1":
      return { snapshots: snapshots.filter(({ snapshotId }) => snapshotId !== event.data.snapshotId) };
    case "bioxen.vm.restored.v1": {
      const { snapshotId: _, ...checkpoint } = event.data;
      return { checkpoint: { ...checkpoint, atMs }, restores: restores + 1 };
    }
  }
}
