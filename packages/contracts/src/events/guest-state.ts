/**
 * The events about stored guest states. Each state itself is a blob; the event has the id and the digest of that blob.
 */
import * as z from "zod";

/** A stored state of a guest: the blob `<vmId>.<checkpointId>`. */
export const checkpointRecord = z.object({
  /** Id of the stored state. Two different states never have the same id. */
  checkpointId: z.string(),
  /** Simulated time of the guest at the checkpoint, in minutes. */
  simMinutes: z.int().min(0),
  bytes: z.int().min(0),
  /** SHA-256 of the bytes, in hexadecimal. */
  sha256: z.string(),
});
export type CheckpointRecord = z.infer<typeof checkpointRecord>;

/**
 * Why a guest cannot continue from its checkpoint: the blob is missing, its digest is wrong, or the driver rejects its
 * content.
 */
export const CHECKPOINT_LOSSES = ["MISSING", "DAMAGED", "REFUSED"] as const;
export type CheckpointLoss = (typeof CHECKPOINT_LOSSES)[number];

export const GUEST_STATE_EVENTS = {
  /** The agent stored the state of the guest; the next guest of this VM continues from it. */
  "bioxen.vm.checkpointed.v1": z.object({ fence: z.int().min(1), ...checkpointRecord.shape }),
  /** The checkpoint cannot be used: the next guest starts from the beginning. */
  "bioxen.vm.checkpoint-lost.v1": z.object({
    fence: z.int().min(1),
    checkpointId: z.string(),
    code: z.enum(CHECKPOINT_LOSSES),
    reason: z.string(),
  }),
  /** The state of the guest was stored as a named snapshot, which is kept until it is deleted. */
  "bioxen.vm.snapshotted.v1": z.object({
    snapshotId: z.string(),
    fence: z.int().min(1),
    ...checkpointRecord.shape,
  }),
  "bioxen.vm.snapshot-deleted.v1": z.object({ snapshotId: z.string() }),
  /** The VM was restored to this snapshot: its next guest continues from it. A running guest is replaced. */
  "bioxen.vm.restored.v1": z.object({ snapshotId: z.string(), ...checkpointRecord.shape }),
} as const;
