/**
 * The rules of guest states, written independently of the code that decides them.
 *
 * A checkpoint belongs to the guest at the VM's present place and is later in simulated time than the one before. Only
 * the present checkpoint can be lost. A VM is restored only to one of its snapshots, with the same content. A change of
 * the environment or allocation is of the present guest, and of no minute before its checkpoint. The same holds for the
 * last minute of its cell, which its creation names.
 */
import type { VmEvent } from "@bioxen/contracts";

interface Stored {
  readonly checkpointId: string;
  readonly simMinutes: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** The stored guest states of a VM: its latest checkpoint, and its snapshots by id. */
export interface KeptState {
  readonly checkpoint: Stored | null;
  readonly snapshots: ReadonlyMap<string, Stored>;
  /** The last minute of its cell, and what the VM does there; undefined: there is none. */
  readonly until?: Until | undefined;
}

interface Until {
  readonly simMinutes: number;
  readonly then: string;
}

export const NOTHING_KEPT: KeptState = { checkpoint: null, snapshots: new Map() };
const MAX_SNAPSHOTS = 16;

export interface GuestStateStep {
  readonly kept: KeptState;
  /** One sentence for each rule that the event violates. */
  readonly problems: readonly string[];
}

/**
 * Returns the VM's stored guest states after the event, and the rules that the event violates. `fence` is the fence of
 * the VM's present place; null when the VM has no place.
 */
export function guestStateStep(kept: KeptState, fence: number | null, body: VmEvent): GuestStateStep {
  switch (body.type) {
    case "bioxen.vm.created.v1": {
      const { checkpoint = null, parent, until } = body.data;
      const isOrphan = checkpoint !== null && parent === null;
      return step(
        { ...NOTHING_KEPT, checkpoint, until },
        isOrphan && "it starts from a stored state but has no parent",
      );
    }
    case "bioxen.vm.destroyed.v1":
      return step(NOTHING_KEPT);
    case "bioxen.vm.stopped.v1":
    case "bioxen.vm.failed.v1":
      return step({ ...kept, checkpoint: null });
    case "bioxen.vm.checkpointed.v1":
      return step(
        { ...kept, checkpoint: body.data },
        body.data.fence !== fence &&
          `the checkpoint has fence ${body.data.fence}, but the VM has fence ${fence}`,
        body.data.simMinutes <= (kept.checkpoint?.simMinutes ?? -1) &&
          `a checkpoint of minute ${body.data.simMinutes} follows one of minute ${kept.checkpoint?.simMinutes}`,
        withoutDigest(body.data),
      );
    case "bioxen.vm.moved.v1": {
      const { checkpoint = null } = body.data;
      if (checkpoint === null) return step(kept);
      const isBack = checkpoint.simMinutes < (kept.checkpoint?.simMinutes ?? 0);
      return step(
        { ...kept, checkpoint },
        isBack && `it is handed over at minute ${checkpoint.simMinutes}, earlier than its checkpoint`,
        withoutDigest(checkpoint),
      );
    }
    case "bioxen.vm.checkpoint-lost.v1": {
      const { checkpointId } = body.data;
      const isPresent = checkpointId === kept.checkpoint?.checkpointId && body.data.fence === fence;
      return step(
        { ...kept, checkpoint: null },
        !isPresent && `checkpoint ${checkpointId} is lost, but is not its present one`,
      );
    }
    case "bioxen.vm.snapshotted.v1": {
      const { snapshotId } = body.data;
      return step(
        { ...kept, snapshots: new Map(kept.snapshots).set(snapshotId, body.data) },
        body.data.fence !== fence &&
          `the snapshot has fence ${body.data.fence}, but the VM has fence ${fence}`,
        kept.snapshots.has(snapshotId) && `snapshot ${snapshotId} exists already`,
        kept.snapshots.size >= MAX_SNAPSHOTS && `more than ${MAX_SNAPSHOTS} snapshots`,
        withoutDigest(body.data),
      );
    }
    case "bioxen.vm.executed.v1":
      return step(
        kept,
        body.data.fence !== fence &&
          `a program ran in the guest with fence ${body.data.fence}, but the VM has fence ${fence}`,
      );
    case "bioxen.vm.until-reached.v1":
      return step(kept, ...untilProblems(kept, fence, body.data));
    case "bioxen.vm.environment-changed.v1":
    case "bioxen.vm.resized.v1":
      return step(kept, ...changeProblems(kept, fence, body));
    case "bioxen.vm.snapshot-deleted.v1": {
      const { snapshotId } = body.data;
      const snapshots = new Map(kept.snapshots);
      const had = snapshots.delete(snapshotId);
      return step({ ...kept, snapshots }, !had && `it has no snapshot ${snapshotId}`);
    }
    case "bioxen.vm.restored.v1": {
      const snapshot = kept.snapshots.get(body.data.snapshotId);
      const isSame =
        snapshot?.checkpointId === body.data.checkpointId &&
        snapshot.sha256 === body.data.sha256 &&
        snapshot.simMinutes === body.data.simMinutes;
      const problem =
        !isSame && `restored to ${body.data.snapshotId}, which does not exist with this content`;
      return step({ ...kept, checkpoint: body.data }, problem);
    }
    default:
      return step(kept);
  }
}

type Change = Extract<VmEvent, { type: "bioxen.vm.environment-changed.v1" | "bioxen.vm.resized.v1" }>;

/** Returns the rules that a change at a minute of simulated time violates. */
function changeProblems(
  { checkpoint }: KeptState,
  fence: number | null,
  { type, data }: Change,
): readonly (string | false)[] {
  const { simMinute } = data;
  if (simMinute === undefined) return [];
  const isOther = type === "bioxen.vm.environment-changed.v1" ? data.fence !== fence : fence === null;
  return [
    isOther && `${type} at minute ${simMinute} is not of its guest with fence ${fence}`,
    simMinute < (checkpoint?.simMinutes ?? 0) &&
      `${type} of minute ${simMinute} follows a checkpoint of minute ${checkpoint?.simMinutes}`,
  ];
}

/** Returns the rules that the end of a cell at its last minute violates. */
function untilProblems(
  { checkpoint, until }: KeptState,
  fence: number | null,
  reached: { readonly fence: number; readonly simMinute: number; readonly then: string },
): readonly (string | false)[] {
  const isOwn = until?.simMinutes === reached.simMinute && until.then === reached.then;
  return [
    reached.fence !== fence &&
      `the cell with fence ${reached.fence} reached its last minute, but the VM has fence ${fence}`,
    !isOwn && `${reached.then} at minute ${reached.simMinute}, which its creation does not name`,
    reached.simMinute < (checkpoint?.simMinutes ?? 0) &&
      `minute ${reached.simMinute} was reached after a checkpoint of minute ${checkpoint?.simMinutes}`,
  ];
}

function step(kept: KeptState, ...problems: readonly (string | false)[]): GuestStateStep {
  return { kept, problems: problems.filter((problem) => problem !== false) };
}

function withoutDigest({ sha256 }: Stored): string | false {
  return !/^[0-9a-f]{64}$/.test(sha256) && "a stored state has no digest";
}
