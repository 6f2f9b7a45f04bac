/**
 * A move of a VM that runs, from the protocol as it is documented (docs/moving.md), not from the code that decides it: asked for, then
 * a place elsewhere, then gone there or stayed. Whatever ends the VM's run ends its move.
 */
import type { VmEvent } from "@bioxen/contracts";

/** Of a VM's story, what a move is about. */
export interface Moving {
  chassisId: string | null;
  fence: number | null;
  /** `asked`, or the place it has elsewhere; null: it is not to move. */
  move: "asked" | { readonly chassisId: string; readonly fence: number } | null;
  /** The reservation it left last: given back a moment after. */
  leftFence: number | null;
}

export const NOT_MOVING: Pick<Moving, "move" | "leftFence"> = { move: null, leftFence: null };

/** Applies what of `body` matters here to `next`, and says what was wrong with it. `held`: is this place the VM's, in a ledger? */
export function moveStep(
  next: Moving,
  body: VmEvent,
  held: (place: { chassisId: string; fence: number; allocation: Record<string, number> }) => boolean,
): string[] {
  switch (body.type) {
    case "bioxen.vm.migration-requested.v1":
      if (next.move !== null) return ["it is being moved already"];
      next.move = "asked";
      return body.data.toChassisId === next.chassisId ? ["it is to move to where it is"] : [];
    case "bioxen.vm.migrating.v1": {
      const out = next.move === "asked" ? [] : ["no move waits for a place"];
      if (body.data.chassisId === next.chassisId) out.push("its new place is where it is");
      if (!held(body.data)) out.push("no ledger holds its new place");
      next.move = { chassisId: body.data.chassisId, fence: body.data.fence };
      return out;
    }
    case "bioxen.vm.moved.v1": {
      const { chassisId, fence } = body.data;
      const meant = typeof next.move === "object" && next.move !== null ? next.move : undefined;
      const out =
        meant?.fence === fence && meant.chassisId === chassisId ? [] : ["it had no such place to go to"];
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
      return next.fence !== null && next.move !== "asked" ? ["it has its place and waits for no other"] : [];
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
