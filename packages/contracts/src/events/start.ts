/**
 * The events of a start that takes long, or that the host of the guest refuses.
 *
 * A refused start is tried again: at the same place after a wait, or at any place once there is room. The log has each
 * refusal, so that a user sees the cause, and so that the number of tries is bounded across restarts of the agent.
 */
import * as z from "zod";

/**
 * `CAPACITY_EXCEEDED`: the host has no room for the guest, although the ledger has. `UNAVAILABLE`: the host refused for
 * a reason that can pass.
 */
export const START_REFUSAL_CODES = ["CAPACITY_EXCEEDED", "UNAVAILABLE"] as const;

export const START_EVENTS = {
  /**
   * The host refused to start the guest. With `CAPACITY_EXCEEDED` the VM gives up its place and waits for room;
   * `placeEndsAtMs` is then null. With `UNAVAILABLE` it keeps its place until `placeEndsAtMs`.
   */
  "bioxen.vm.start-refused.v1": z.object({
    fence: z.int().min(1),
    chassisId: z.string(),
    code: z.enum(START_REFUSAL_CODES),
    /** The host's own code, such as an error code of XAPI; absent when the host gave none. */
    hostCode: z.string().optional(),
    reason: z.string(),
    /** Number of refused tries since the start of the VM was requested. */
    tries: z.int().min(1),
    /** Earliest time of the next try on this chassis, epoch ms; earlier if room comes there. */
    retryAtMs: z.int().min(0),
    placeEndsAtMs: z.int().min(0).nullable(),
  }),
  /**
   * The start makes progress, for instance the copy of a disk. The VM keeps its place until `placeEndsAtMs`, although
   * its reservation would expire before.
   */
  "bioxen.vm.start-progressed.v1": z.object({
    fence: z.int().min(1),
    /** Progress of the longest step of the start, permille. It grows from one event to the next. */
    permille: z.int().min(1).max(1000),
    placeEndsAtMs: z.int().min(0),
  }),
} as const;
