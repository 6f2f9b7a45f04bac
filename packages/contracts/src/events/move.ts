/**
 * The events of the move of a running VM from one chassis to another.
 *
 * After `migration-requested` the VM waits for a place on another chassis and keeps running. After `migrating` it has
 * that place in addition to its present one, and its agent hands the guest over. After `moved` it starts at the new
 * place. Before `moved`, the move can be cancelled, and the VM then stays where it is.
 */
import * as z from "zod";
import { recordedAmounts } from "../schemas.ts";
import { checkpointRecord } from "./guest-state.ts";

/**
 * The origin of a move. `COMMAND`: a user's command; `DRAIN`: the drain of its chassis; `REBALANCE`: the scheduler, for
 * a better balance.
 */
export const MOVE_CODES = ["COMMAND", "DRAIN", "REBALANCE"] as const;
export type MoveCode = (typeof MOVE_CODES)[number];

/**
 * Why a move ended although the VM stayed. `CANCELLED`: the move was cancelled; `NO_ROOM`: no chassis had room for the
 * VM in time; `TARGET_LOST`: the target chassis was lost; `RESERVATION_ENDED`: the reservation on the target ended
 * before the hand-over; `HAND_OVER_FAILED`: the guest cannot be taken from its chassis without losing its state.
 */
export const MOVE_CANCEL_CODES = [
  "CANCELLED",
  "NO_ROOM",
  "TARGET_LOST",
  "RESERVATION_ENDED",
  "HAND_OVER_FAILED",
] as const;
export type MoveCancelCode = (typeof MOVE_CANCEL_CODES)[number];

const place = z.object({ chassisId: z.string(), fence: z.int().min(1), allocation: recordedAmounts });

export const MOVE_EVENTS = {
  /**
   * A move to `toChassisId` was requested; null means any chassis with room. The VM keeps running at its present place.
   */
  "bioxen.vm.migration-requested.v1": z.object({
    toChassisId: z.string().nullable(),
    code: z.enum(MOVE_CODES),
    reason: z.string(),
  }),
  /**
   * The ledger of the target chassis holds a reservation for the VM, in addition to the one on its present chassis. The
   * agent hands the guest over next.
   */
  "bioxen.vm.migrating.v1": place,
  /**
   * The guest was ended at the old place and continues at the new place from `checkpoint`. Without `checkpoint` it
   * continues from the VM's previous checkpoint. If the VM has no checkpoint at all, the guest starts from the
   * beginning. The old reservation is released.
   */
  "bioxen.vm.moved.v1": place.extend({ checkpoint: checkpointRecord.nullable().optional() }),
  /** The move ended, and the VM stays where it is. */
  "bioxen.vm.migration-cancelled.v1": z.object({ code: z.enum(MOVE_CANCEL_CODES), reason: z.string() }),
} as const;
