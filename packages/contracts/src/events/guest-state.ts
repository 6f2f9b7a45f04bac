/**
 * What the log says of the states of guests. The states themselves are blobs; an event has the name and the digest of one.
 */
import { z } from "zod";

/** A stored state of a guest: the blob `<vmId>.<checkpointId>`. */
export const checkpointRecord = z.object({
  /** Used once, for one content. */
  checkpointId: z.string(),
  /** Simulated time of the guest then. */
  simMinutes: z.int().min(0),
  bytes: z.int().min(0),
  /** Of the bytes, in hexadecimal. */
  sha256: z.string(),
});
export type CheckpointRecord = z.infer<typeof checkpointRecord>;

/** Why a guest cannot go on from its checkpoint: no such blob, other bytes than the digest's, its driver takes it for none. */
export const CHECKPOINT_LOSSES = ["MISSING", "DAMAGED", "REFUSED"] as const;
export type CheckpointLoss = (typeof CHECKPOINT_LOSSES)[number];

export const GUEST_STATE_EVENTS = {
  /** Its agent stored the state of its guest: where the next guest of this VM goes on. */
  "bioxen.vm.checkpointed.v1": z.object({ fence: z.int().min(1), ...checkpointRecord.shape }),
  /** Nobody can go on from it: the next guest begins anew. */
  "bioxen.vm.checkpoint-lost.v1": z.object({
    fence: z.int().min(1),
    checkpointId: z.string(),
    code: z.enum(CHECKPOINT_LOSSES),
    reason: z.string(),
  }),
  /** A state of its guest was stored to be kept, under a name of its own. */
  "bioxen.vm.snapshotted.v1": z.object({
    snapshotId: z.string(),
    fence: z.int().min(1),
    ...checkpointRecord.shape,
  }),
  "bioxen.vm.snapshot-deleted.v1": z.object({ snapshotId: z.string() }),
  /** It is set back: its next guest goes on from this snapshot, and one that runs is replaced by it. */
  "bioxen.vm.restored.v1": z.object({ snapshotId: z.string(), ...checkpointRecord.shape }),
} as const;
