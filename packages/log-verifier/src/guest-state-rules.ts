/**
 * What must hold of the states of guests, in the verifier's own words: a checkpoint is of the guest that lives on the VM's present
 * place and goes forward in simulated time, only the one there is can be lost, and a VM is set back only to what was kept of it.
 */
import type { VmEvent } from "@bioxen/contracts";

interface Stored {
  readonly checkpointId: string;
  readonly simMinutes: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** What the verifier remembers of one VM's guest state. */
export interface KeptState {
  readonly checkpoint: Stored | null;
  readonly snapshots: ReadonlyMap<string, Stored>;
}

export const NOTHING_KEPT: KeptState = { checkpoint: null, snapshots: new Map() };
const MAX_SNAPSHOTS = 16;

export interface GuestStateStep {
  readonly kept: KeptState;
  /** One sentence per thing that cannot be. */
  readonly problems: readonly string[];
}

/** `fence` is that of the VM's present place. */
export function guestStateStep(kept: KeptState, fence: number | null, body: VmEvent): GuestStateStep {
  switch (body.type) {
    case "bioxen.vm.created.v1": {
      const { checkpoint = null, parent } = body.data;
      const isOrphan = checkpoint !== null && parent === null;
      return step({ ...NOTHING_KEPT, checkpoint }, isOrphan && "it begins from a state and has no parent");
    }
    case "bioxen.vm.destroyed.v1":
      return step(NOTHING_KEPT);
    case "bioxen.vm.stopped.v1":
    case "bioxen.vm.failed.v1":
      return step({ ...kept, checkpoint: null });
    case "bioxen.vm.checkpointed.v1":
      return step(
        { ...kept, checkpoint: body.data },
        body.data.fence !== fence && `a checkpoint of fence ${body.data.fence}, it is on ${fence}`,
        body.data.simMinutes <= (kept.checkpoint?.simMinutes ?? -1) &&
          `a checkpoint of minute ${body.data.simMinutes} after one of ${kept.checkpoint?.simMinutes}`,
        withoutDigest(body.data),
      );
    case "bioxen.vm.moved.v1": {
      const { checkpoint = null } = body.data;
      if (checkpoint === null) return step(kept);
      const isBack = checkpoint.simMinutes < (kept.checkpoint?.simMinutes ?? 0);
      return step(
        { ...kept, checkpoint },
        isBack && `it is handed over at minute ${checkpoint.simMinutes}, before its checkpoint`,
        withoutDigest(checkpoint),
      );
    }
    case "bioxen.vm.checkpoint-lost.v1": {
      const { checkpointId } = body.data;
      const isIts = checkpointId === kept.checkpoint?.checkpointId && body.data.fence === fence;
      return step({ ...kept, checkpoint: null }, !isIts && `lost ${checkpointId}, which it did not have`);
    }
    case "bioxen.vm.snapshotted.v1": {
      const { snapshotId } = body.data;
      return step(
        { ...kept, snapshots: new Map(kept.snapshots).set(snapshotId, body.data) },
        body.data.fence !== fence && `a snapshot of fence ${body.data.fence}, it is on ${fence}`,
        kept.snapshots.has(snapshotId) && `a second snapshot ${snapshotId}`,
        kept.snapshots.size >= MAX_SNAPSHOTS && `more than ${MAX_SNAPSHOTS} snapshots`,
        withoutDigest(body.data),
      );
    }
    case "bioxen.vm.snapshot-deleted.v1": {
      const { snapshotId } = body.data;
      const snapshots = new Map(kept.snapshots);
      const had = snapshots.delete(snapshotId);
      return step({ ...kept, snapshots }, !had && `it has no snapshot ${snapshotId}`);
    }
    case "bioxen.vm.restored.v1": {
      const snapshot = kept.snapshots.get(body.data.snapshotId);
      const isIt =
        snapshot?.checkpointId === body.data.checkpointId &&
        snapshot.sha256 === body.data.sha256 &&
        snapshot.simMinutes === body.data.simMinutes;
      const problem = !isIt && `set back to ${body.data.snapshotId}, which it does not have so`;
      return step({ ...kept, checkpoint: body.data }, problem);
    }
    default:
      return step(kept);
  }
}

function step(kept: KeptState, ...problems: readonly (string | false)[]): GuestStateStep {
  return { kept, problems: problems.filter((problem) => problem !== false) };
}

function withoutDigest({ sha256 }: Stored): string | false {
  return !/^[0-9a-f]{64}$/.test(sha256) && "a state without a digest";
}
