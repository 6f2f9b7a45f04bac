/**
 * Where the next guest of a VM begins, as its events have it. Lost places keep it; a stop or a failure ends it.
 */
import type { BlobName } from "@bioxen/kernel";
import type { CheckpointRecord, GUEST_STATE_EVENTS } from "../events/guest-state.ts";
import type { VmEvent } from "../events/vm.ts";

export interface Checkpoint extends CheckpointRecord {
  /** When it was recorded. */
  readonly atMs: number;
}

export interface Snapshot extends Checkpoint {
  readonly snapshotId: string;
}

/** Snapshots of one VM; each is kept until it is deleted, and is a line of every view and state of its VM. */
export const MAX_SNAPSHOTS = 16;

export interface GuestState {
  /** The state its next guest goes on from; null: that begins anew. */
  readonly checkpoint: Checkpoint | null;
  /**
   * How often it was set back. A guest, and a checkpoint of one, from before the last time is not of this course of its life any
   * more.
   */
  readonly restores: number;
  /** Oldest first. */
  readonly snapshots: readonly Snapshot[];
}

export const NO_GUEST_STATE: GuestState = { checkpoint: null, restores: 0, snapshots: [] };

/** The checkpoints a VM refers to, by their ids. */
export function checkpointsOf({ checkpoint, snapshots }: GuestState): CheckpointRecord[] {
  return checkpoint === null ? [...snapshots] : [...snapshots, checkpoint];
}

/** Every blob a VM refers to. */
export function blobsOf(vmId: string, state: GuestState): BlobName[] {
  return [...new Set(checkpointsOf(state).map((record) => blobOf(vmId, record)))];
}

export function blobOf(vmId: string, { checkpointId }: CheckpointRecord): BlobName {
  return `${vmId}.${checkpointId}`;
}

type GuestStateEvent = Extract<VmEvent, { type: keyof typeof GUEST_STATE_EVENTS }>;

/** What changes, and the reason where there is one to give. */
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
