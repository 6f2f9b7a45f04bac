/**
 * What can have happened to the drain of a chassis: begun, one VM after the other gone, and ended one way or the other.
 *
 * Its id is the chassis'. Where a VM went stands in the VM's own story; here stands what became of the drain.
 */
import { z } from "zod";

const vmLeft = z.object({
  vmId: z.string(),
  /** null: nowhere, it does not run any more or waits for a place; `reason` says so. */
  toChassisId: z.string().nullable(),
  reason: z.string().nullable(),
});

export const DRAIN_EVENTS = {
  /** From here on the chassis takes no VM, and these are to leave, `parallelism` at a time. */
  "bioxen.drain.started.v1": z.object({
    vmIds: z.array(z.string()),
    /** Then nobody uncordons it but who cordoned it. */
    wasCordoned: z.boolean(),
    parallelism: z.int().min(1),
    deadlineAtMs: z.int(),
  }),
  /** Some are gone; `joined`: some came whose places were given away just before. */
  "bioxen.drain.progressed.v1": z.object({ left: z.array(vmLeft), joined: z.array(z.string()) }),
  /** Nobody is left. The chassis stays cordoned. */
  "bioxen.drain.completed.v1": z.object({}),
  /** Its deadline is over and these are still there. The chassis stays cordoned, moves without a place are taken back. */
  "bioxen.drain.given-up.v1": z.object({
    remaining: z.array(z.object({ vmId: z.string(), reason: z.string() })),
  }),
  /** Nobody wants it any more: moves under way are taken back; `uncordons`: the chassis takes VMs again. */
  "bioxen.drain.cancelled.v1": z.object({ left: z.array(vmLeft), uncordons: z.boolean() }),
} as const;

export type DrainEvent = {
  [T in keyof typeof DRAIN_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof DRAIN_EVENTS)[T]> };
}[keyof typeof DRAIN_EVENTS];
