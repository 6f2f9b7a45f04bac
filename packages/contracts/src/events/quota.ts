/**
 * The events of a quota, the limit on what all VMs with one label may hold together over all chassis.
 *
 * The stream of a ledger orders the reservations of one chassis only. So the quota's own stream orders the claims on
 * the quota: an amount is first charged here, conditional on the last sequence of this stream, and only then reserved
 * in the ledger. docs/adr/0008-quotas.md says why that is enough.
 */
import { z } from "zod";
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
   * From here on the limits of the last `set` are in force: everything held is charged, every instance that can still
   * reserve knows the quota, and no charge made under higher limits is still under way.
   */
  "bioxen.quota.enforced.v1": z.object({ charges: z.array(quotaCharge) }),
  /**
   * Permits one append to the ledger of `chassisId`, conditional on `ledgerSeq` being the ledger's last sequence. The
   * charge is void once that ledger has a later event.
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
