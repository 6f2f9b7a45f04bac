/**
 * The events of the drain of a chassis: it starts, its VMs leave one after the other, and it completes, is given up or
 * is cancelled.
 *
 * A drain has the id of its chassis. The move of each VM is in the VM's own events; these events record the progress of
 * the drain.
 */
import * as z from "zod";

const vmLeft = z.object({
  vmId: z.string(),
  /** The chassis that the VM moved to; null when the VM ended or is pending instead, as `reason` says. */
  toChassisId: z.string().nullable(),
  reason: z.string().nullable(),
});

export const DRAIN_EVENTS = {
  /** The chassis takes no VM from here on. The VMs in `vmIds` move away, at most `parallelism` at a time. */
  "bioxen.drain.started.v1": z.object({
    vmIds: z.array(z.string()),
    /** True when the chassis was already cordoned. The drain then leaves that cordon in place when it is cancelled. */
    wasCordoned: z.boolean(),
    parallelism: z.int().min(1),
    deadlineAtMs: z.int(),
  }),
  /**
   * The VMs in `left` are gone from the chassis. The VMs in `joined` have become part of the drain: they arrived on
   * reservations that were made just before the drain started.
   */
  "bioxen.drain.progressed.v1": z.object({ left: z.array(vmLeft), joined: z.array(z.string()) }),
  /** No VM remains on the chassis. The chassis stays cordoned. */
  "bioxen.drain.completed.v1": z.object({}),
  /**
   * The deadline passed while the VMs in `remaining` were still on the chassis. The chassis stays cordoned; moves
   * without a reservation are cancelled.
   */
  "bioxen.drain.given-up.v1": z.object({
    remaining: z.array(z.object({ vmId: z.string(), reason: z.string() })),
  }),
  /** An operator cancelled the drain; moves under way are cancelled. With `uncordons` the chassis takes VMs again. */
  "bioxen.drain.cancelled.v1": z.object({ left: z.array(vmLeft), uncordons: z.boolean() }),
} as const;

export type DrainEvent = {
  [T in keyof typeof DRAIN_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof DRAIN_EVENTS)[T]> };
}[keyof typeof DRAIN_EVENTS];
