/**
 * What can have happened to the move of a VM from one chassis to another while it runs.
 *
 * Requested, it waits for a place elsewhere, and runs on. Migrating, it has that place as well as its own; its agent hands its guest
 * over. Moved, it starts there. Until then the move can be cancelled, and the VM stays where it is.
 */
import { z } from "zod";
import { recordedAmounts } from "../schemas.ts";
import { checkpointRecord } from "./guest-state.ts";

/** Who wants the move. `COMMAND`: a user; `DRAIN`: its chassis is being drained; `REBALANCE`: the scheduler, for a better balance. */
export const MOVE_CODES = ["COMMAND", "DRAIN", "REBALANCE"] as const;
export type MoveCode = (typeof MOVE_CODES)[number];

/**
 * Why a move ended without one. `CANCELLED`: nobody wants it any more; `NO_ROOM`: no chassis had a place for it in time;
 * `TARGET_LOST`: the chassis it was to go to is lost; `RESERVATION_ENDED`: its place there was given back before its guest was
 * handed over; `HAND_OVER_FAILED`: its guest cannot be taken out of where it runs without losing what is in it.
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
  /** It is to run elsewhere: on `toChassisId`, or wherever there is room. It runs on where it is. */
  "bioxen.vm.migration-requested.v1": z.object({
    toChassisId: z.string().nullable(),
    code: z.enum(MOVE_CODES),
    reason: z.string(),
  }),
  /** A ledger holds a place for it there, beside the one it has: its agent is to hand its guest over. */
  "bioxen.vm.migrating.v1": place,
  /**
   * Its guest was taken down where it was, and goes on at its new place from `checkpoint`; null: from the one before, or anew. The
   * old reservation is given back.
   */
  "bioxen.vm.moved.v1": place.extend({ checkpoint: checkpointRecord.nullable().optional() }),
  /** It stays where it is. */
  "bioxen.vm.migration-cancelled.v1": z.object({ code: z.enum(MOVE_CANCEL_CODES), reason: z.string() }),
} as const;
