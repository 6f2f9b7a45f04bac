/**
 * The events of a quota, the limit on what all VMs with one label may hold together over all chassis.
 *
 * The events of a ledger order the reservations of one chassis only. The events of a quota order the charges of all
 * chassis: an amount is first charged to the quota, conditional on the quota's last sequence, and only then reserved in
 * the ledger. docs/adr/0008-quotas.md says why the limit then holds.
 */
import * as z from "zod";
import { recordedAmounts } from "../schemas.ts";

/** The amounts that one VM may hold on one chassis under this quota. */
export const quotaCharge = z.object({
  vmId: z.string(),
  incarnation: z.int().min(1),
  chassisId: z.string(),
  amounts: recordedAmounts,
});

export const QUOTA_EVENTS = {
  /** The quota was created or its limits changed. Every allocator that has read this event charges the quota. */
  "bioxen.quota.set.v1": z.object({ label: z.string(), resources: recordedAmounts }),
  /**
   * From this event on, the limits of the last `set` event hold. All amounts that VMs with the label hold are charged.
   * Every allocator that can still reserve knows the quota. No reservation can use a charge from before the last `set`
   * event, when the limits may have been higher.
   *
   * The event also charges what a VM holds that was given to the owner of this quota.
   *
   * With `partial` the event only charges amounts that VMs hold already. More such events follow, and the limits do not
   * hold yet. A quota with too many VMs for one event has several partial events before the final event.
   */
  "bioxen.quota.enforced.v1": z.object({
    charges: z.array(quotaCharge),
    partial: z.literal(true).optional(),
  }),
  /**
   * Permits one append to the ledger of `chassisId`, on the condition that the last sequence of this ledger is
   * `ledgerSeq`. Once the ledger has a later event, the charge can no longer be used.
   */
  "bioxen.quota.charged.v1": z.object({
    chassisId: z.string(),
    ledgerSeq: z.int().min(0),
    charges: z.array(quotaCharge.omit({ chassisId: true })).min(1),
  }),
  /**
   * Each charge was set to the amounts that the ledger of its chassis holds for its VM. `amounts` is null when the
   * ledger holds nothing for the VM; the charge then ends.
   */
  "bioxen.quota.settled.v1": z.object({
    charges: z
      .array(z.object({ vmId: z.string(), chassisId: z.string(), amounts: recordedAmounts.nullable() }))
      .min(1),
  }),
} as const;

export type QuotaEvent = {
  [T in keyof typeof QUOTA_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof QUOTA_EVENTS)[T]> };
}[keyof typeof QUOTA_EVENTS];
