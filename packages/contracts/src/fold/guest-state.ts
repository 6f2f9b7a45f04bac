/**
 * The stored states of a VM's guest: the checkpoint that its next guest continues from, and its snapshots.
 *
 * The checkpoint survives the loss of a place; a stop or a failure of the VM ends it.
 */
import type { BlobName } from "@bioxen/kernel";
import type { CheckpointRecord, GUEST_STATE_EVENTS } from "../events/guest-state.ts";
import type { VmEvent } from "../events/vm.ts";

export interface Checkpoint extends CheckpointRecord {
  /** When the event was recorded, epoch ms. */
  readonly atMs: number;
}

export interface Snapshot extends Checkpoint {
  readonly snapshotId: string;
}

/**
 * Maximum number of snapshots of one VM. Each is kept until it is deleted, and lengthens every view and state of its VM
 * by a line.
 */
export const MAX_SNAPSHOTS = 16;

export interface GuestState {
  /** The state that the next guest continues from; null: the next guest starts from the beginning. */
  readonly checkpoint: Checkpoint | null;
  /**
   * Number of restores so far. A guest that started before the last restore is outdated, and so are its checkpoints.
   */
  readonly restores: number;
  /** Oldest first. */
  readonly snapshots: readonly Snapshot[];
}

export const NO_GUEST_STATE: GuestState = { checkpoint: null, restores: 0, snapshots: [] };

/** The snapshots of a VM and its checkpoint. */
export function checkpointsOf({ checkpoint, snapshots }: GuestState): CheckpointRecord[] {
  return checkpoint === null ? [...snapshots] : [...snapshots, checkpoint];
}

/** The names of all blobs that a VM refers to. */
export function blobsOf(vmId: string, state: GuestState): BlobName[] {
  return [...new Set(checkpointsOf(state).map((record) => blobOf(vmId, record)))];
}

export function blobOf(vmId: string, { checkpointId }: CheckpointRecord): BlobName {
  return `${vmId}.${checkpointId}`;
}

type GuestStateEvent = Extract<VmEvent, { type: keyof typeof GUEST_STATE_EVENTS }>;

/** Returns the fields that the event changes, and the VM's new reason where the event gives one. */
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
