/**
 * The rules of a move of a running VM, by the documented protocol (docs/moving.md), independently of the code that
 * decides it.
 *
 * A move is requested, gets a reservation on another chassis, and ends there or is cancelled. Every event that ends the
 * run of the VM also ends its move.
 */
import type { VmEvent } from "@bioxen/contracts";

/** The fields of a VM's record that a move can change. */
export interface Moving {
  chassisId: string | null;
  fence: number | null;
  /**
   * The move in progress: `requested` until it has a reservation on the target chassis, then that reservation; null
   * without a move.
   */
  move: "requested" | { readonly chassisId: string; readonly fence: number } | null;
  /** Fence of the allocation that the VM left in its last move. The ledger releases that allocation a moment later. */
  leftFence: number | null;
}

export const NOT_MOVING: Pick<Moving, "move" | "leftFence"> = { move: null, leftFence: null };

/**
 * Applies the event to `next` and returns one sentence for each rule that the event violates. `held` returns true when
 * the ledger of the chassis has an entry of the VM with this fence and these amounts.
 */
export function moveStep(
  next: Moving,
  body: VmEvent,
  held: (place: { chassisId: string; fence: number; allocation: Record<string, number> }) => boolean,
): string[] {
  switch (body.type) {
    case "bioxen.vm.migration-requested.v1":
      if (next.move !== null) return ["it is being moved already"];
      next.move = "requested";
      return body.data.toChassisId === next.chassisId ? ["it moves to the chassis that it is on"] : [];
    case "bioxen.vm.migrating.v1": {
      const out = next.move === "requested" ? [] : ["no move waits for a place"];
      if (body.data.chassisId === next.chassisId) out.push("its new place is on its own chassis");
      if (!held(body.data)) out.push("no ledger holds its new place");
      next.move = { chassisId: body.data.chassisId, fence: body.data.fence };
      return out;
    }
    case "bioxen.vm.moved.v1": {
      const { chassisId, fence } = body.data;
      const target = typeof next.move === "object" ? next.move : null;
      const isTarget = target?.fence === fence && target.chassisId === chassisId;
      const out = isTarget ? [] : ["it had no reservation for this place"];
      if (!held(body.data)) out.push("no ledger holds its new place");
      Object.assign(next, { chassisId, fence, move: null, leftFence: next.fence });
      return out;
    }
    case "bioxen.vm.migration-cancelled.v1": {
      const out = next.move === null ? ["it is not being moved"] : [];
      next.move = null;
      return out;
    }
    case "bioxen.vm.deferred.v1":
      return next.fence !== null && next.move !== "requested"
        ? ["it has a place and waits for no other"]
        : [];
    case "bioxen.vm.until-reached.v1":
      if (body.data.then === "stop") next.move = null;
      return [];
    case "bioxen.vm.preempted.v1":
    case "bioxen.vm.stop-requested.v1":
    case "bioxen.vm.displaced.v2":
    case "bioxen.vm.failed.v1":
      next.move = null;
      return [];
    default:
      return [];
  }
}
