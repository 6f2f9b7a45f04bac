/** The events and the data of a VM's last minute (`until`). */
import * as z from "zod";

export const UNTIL_ACTIONS = ["pause", "stop"] as const;

/** The last minute of a cell, and what its VM does there. */
export const recordedUntil = z.object({ simMinutes: z.int().min(1), then: z.enum(UNTIL_ACTIONS) });
export type Until = z.infer<typeof recordedUntil>;

export const UNTIL_EVENTS = {
  /**
   * The cell has reached the last minute that its creation names. The VM is paused (`then` is `pause`) or stops, and the
   * restart policy does not start it. Every row of its time course up to this minute is stored.
   */
  "bioxen.vm.until-reached.v1": z.object({
    fence: z.int().min(1),
    simMinute: z.int().min(1),
    then: z.enum(UNTIL_ACTIONS),
  }),
} as const;
