/**
 * Rules for checkpoints and snapshots of a VM's guest.
 *
 * A checkpoint counts only when it was taken under the VM's present reservation, since the last restore, and at a
 * later simulated minute than the recorded one. So a late or repeated report never leads back to a blob that is
 * already deleted.
 */
import {
  type CheckpointLoss,
  type CheckpointRecord,
  checkpointsOf,
  MAX_SNAPSHOTS,
  refuse,
  type Snapshot,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, type CommandOf, type DecisionTable, UNCHANGED } from "@bioxen/kernel";
import { admit } from "./vm.ts";
import type { OnVm, VmDecision, VmRejection } from "./vm-decision.ts";

/** A stored guest state. It counts only while the VM still has the same fence and the same number of restores. */
export interface TakenCheckpoint {
  readonly fence: number;
  /** Number of restores that the VM had recorded when this guest started. */
  readonly restores: number;
  readonly checkpoint: CheckpointRecord;
}

export type GuestStateCommand =
  /** `taken`: the stored state; undefined before the agent was asked for one. */
  | (OnVm<"snapshot"> & { readonly snapshotId: string; readonly taken: TakenCheckpoint | undefined })
  | (OnVm<"restore"> & { readonly snapshotId: string })
  | (OnVm<"delete-snapshot"> & { readonly snapshotId: string });

export function decideCheckpointed(
  state: VmState,
  { fence, restores, checkpoint }: TakenCheckpoint,
): VmDecision {
  if (!state.exists || state.fence !== fence || state.restores !== restores) return UNCHANGED;
  if (state.state !== "running" && state.state !== "paused") return UNCHANGED;
  if (checkpoint.simMinutes <= (state.checkpoint?.simMinutes ?? -1)) return UNCHANGED;
  // A checkpoint id stands for one state, so a report that repeats a recorded id changes nothing. A false report could
  // otherwise give that id a much later minute, and all further checkpoints would be too old to count.
  if (checkpointsOf(state).some(({ checkpointId }) => checkpointId === checkpoint.checkpointId))
    return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.checkpointed.v1", data: { fence, ...checkpoint } });
}

/** A checkpoint from which the guest cannot resume, as its agent has found. */
export interface LostCheckpoint {
  readonly fence: number;
  readonly checkpointId: string;
  readonly code: CheckpointLoss;
  readonly reason: string;
}

export function decideCheckpointLost(state: VmState, lost: LostCheckpoint): VmDecision {
  if (!state.exists || state.fence !== lost.fence) return UNCHANGED;
  if (state.checkpoint?.checkpointId !== lost.checkpointId) return UNCHANGED;
  // The stop discards the checkpoint anyway, and the recorded reason of the stop must not be overwritten.
  if (state.state === "stopping") return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.checkpoint-lost.v1", data: lost });
}

export function snapshotOf(state: VmState, snapshotId: string): Snapshot | undefined {
  return state.exists ? state.snapshots.find((one) => one.snapshotId === snapshotId) : undefined;
}

function decideSnapshot(
  state: VmState,
  { vmId, snapshotId, taken }: CommandOf<GuestStateCommand, "snapshot">,
): VmDecision {
  if (snapshotOf(state, snapshotId) !== undefined) return UNCHANGED;
  const admitted = admit(vmId, state, "snapshot");
  if ("answer" in admitted) return admitted.answer;
  if (admitted.vm.snapshots.length >= MAX_SNAPSHOTS) {
    return refuse(
      "TOO_LARGE",
      `${vmId} has reached its limit of ${MAX_SNAPSHOTS} snapshots: delete one first`,
      {
        details: { limit: MAX_SNAPSHOTS },
      },
    );
  }
  if (taken?.fence !== admitted.vm.fence || taken.restores !== admitted.vm.restores) {
    return refuse("CONFLICT", `the guest of ${vmId} was replaced meanwhile: try again`, { retryable: true });
  }
  const { fence, checkpoint } = taken;
  return accept<VmEvent>({ type: "bioxen.vm.snapshotted.v1", data: { snapshotId, fence, ...checkpoint } });
}

function decideRestore(
  state: VmState,
  { vmId, snapshotId }: CommandOf<GuestStateCommand, "restore">,
): VmDecision {
  const admitted = admit(vmId, state, "restore");
  if ("answer" in admitted) return admitted.answer;
  const snapshot = snapshotOf(state, snapshotId);
  if (snapshot === undefined) return noSnapshot(vmId, snapshotId);
  const { atMs: _, ...data } = snapshot;
  return accept<VmEvent>({ type: "bioxen.vm.restored.v1", data });
}

function decideDeleteSnapshot(
  state: VmState,
  { vmId, snapshotId }: CommandOf<GuestStateCommand, "delete-snapshot">,
): VmDecision {
  const admitted = admit(vmId, state, "delete-snapshot");
  if ("answer" in admitted) return admitted.answer;
  if (snapshotOf(state, snapshotId) === undefined) return noSnapshot(vmId, snapshotId);
  return accept<VmEvent>({ type: "bioxen.vm.snapshot-deleted.v1", data: { snapshotId } });
}

export function noSnapshot(vmId: string, snapshotId: string): VmRejection {
  return refuse("SNAPSHOT_NOT_FOUND", `${vmId} has no snapshot ${snapshotId}`);
}

export const GUEST_STATE_RULES: DecisionTable<VmState, GuestStateCommand, VmEvent> = {
  snapshot: decideSnapshot,
  restore: decideRestore,
  "delete-snapshot": decideDeleteSnapshot,
};
