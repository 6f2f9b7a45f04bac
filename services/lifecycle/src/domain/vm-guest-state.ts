/**
 * What may be recorded of a VM's guest state.
 *
 * A checkpoint counts only while its guest does: of the reservation the VM lives on, of the course it is on since it was last set
 * back, and further on than the one before. So a report that comes late or twice never leads back to a blob that is deleted.
 */
import {
  type CheckpointLoss,
  type CheckpointRecord,
  MAX_SNAPSHOTS,
  refuse,
  type Snapshot,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, UNCHANGED } from "@bioxen/kernel";
import { admit, type VmDecision } from "./vm.ts";

export interface TakenCheckpoint {
  readonly fence: number;
  /** `restores` of the VM when its guest began. */
  readonly restores: number;
  readonly checkpoint: CheckpointRecord;
}

export function decideCheckpointed(
  state: VmState,
  { fence, restores, checkpoint }: TakenCheckpoint,
): VmDecision {
  if (!state.exists || state.fence !== fence || state.restores !== restores) return UNCHANGED;
  if (state.state !== "running" && state.state !== "paused") return UNCHANGED;
  if (checkpoint.simMinutes <= (state.checkpoint?.simMinutes ?? -1)) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.checkpointed.v1", data: { fence, ...checkpoint } });
}

export interface LostCheckpoint {
  readonly fence: number;
  readonly checkpointId: string;
  readonly code: CheckpointLoss;
  readonly reason: string;
}

export function decideCheckpointLost(state: VmState, lost: LostCheckpoint): VmDecision {
  if (!state.exists || state.fence !== lost.fence) return UNCHANGED;
  if (state.checkpoint?.checkpointId !== lost.checkpointId) return UNCHANGED;
  // A stop ends it anyway, and has its own reason.
  if (state.state === "stopping") return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.checkpoint-lost.v1", data: lost });
}

export function snapshotOf(state: VmState, snapshotId: string): Snapshot | undefined {
  return state.exists ? state.snapshots.find((one) => one.snapshotId === snapshotId) : undefined;
}

/** `taken` is undefined where nothing had to be taken: the answer is known without. */
export function decideSnapshot(
  vmId: string,
  state: VmState,
  snapshotId: string,
  taken: TakenCheckpoint | undefined,
): VmDecision {
  if (snapshotOf(state, snapshotId) !== undefined) return UNCHANGED;
  const admitted = admit(vmId, state, "snapshot");
  if ("answer" in admitted) return admitted.answer;
  if (admitted.vm.snapshots.length >= MAX_SNAPSHOTS) {
    return refuse("TOO_LARGE", `${vmId} has ${MAX_SNAPSHOTS} snapshots; delete one first`, {
      details: { limit: MAX_SNAPSHOTS },
    });
  }
  if (taken?.fence !== admitted.vm.fence || taken.restores !== admitted.vm.restores) {
    return refuse("CONFLICT", `${vmId} changed its guest meanwhile, try again`, { retryable: true });
  }
  const { fence, checkpoint } = taken;
  return accept<VmEvent>({ type: "bioxen.vm.snapshotted.v1", data: { snapshotId, fence, ...checkpoint } });
}

export function decideRestore(vmId: string, state: VmState, snapshotId: string): VmDecision {
  const admitted = admit(vmId, state, "restore");
  if ("answer" in admitted) return admitted.answer;
  const snapshot = snapshotOf(state, snapshotId);
  if (snapshot === undefined) return noSnapshot(vmId, snapshotId);
  const { atMs: _, ...data } = snapshot;
  return accept<VmEvent>({ type: "bioxen.vm.restored.v1", data });
}

export function decideDeleteSnapshot(vmId: string, state: VmState, snapshotId: string): VmDecision {
  const admitted = admit(vmId, state, "delete-snapshot");
  if ("answer" in admitted) return admitted.answer;
  if (snapshotOf(state, snapshotId) === undefined) return noSnapshot(vmId, snapshotId);
  return accept<VmEvent>({ type: "bioxen.vm.snapshot-deleted.v1", data: { snapshotId } });
}

export function noSnapshot(vmId: string, snapshotId: string) {
  return refuse("SNAPSHOT_NOT_FOUND", `${vmId} has no snapshot ${snapshotId}`);
}
