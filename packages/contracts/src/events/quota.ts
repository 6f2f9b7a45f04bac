/**
 * What can have happened to a quota: how much the VMs that carry one label may hold together, over all chassis.
 *
 * A ledger's stream knows its chassis only, so it is the quota's own stream that orders who gets what is left of it: what is to be
 * held is charged here first, on condition of this stream's last sequence, and reserved in the ledger only then.
 * docs/adr/0008-quotas.md says why that is enough.
 */
import { z } from "zod";
import { recordedAmounts } from "../schemas.ts";

/** What one VM may hold on one chassis against this quota. */
export const quotaCharge = z.object({
  vmId: z.string(),
  incarnation: z.int().min(1),
  chassisId: z.string(),
  amounts: recordedAmounts,
});

export const QUOTA_EVENTS = {
  /** From here on everybody who knows of it charges. A resource that is not named has no limit. */
  "bioxen.quota.set.v1": z.object({ label: z.string(), resources: recordedAmounts }),
  /**
   * From here on the limits of the last `set` hold: all that is held is charged, nobody reserves any more who does not know of the
   * quota, and nothing that was charged under higher limits is still under way.
   */
  "bioxen.quota.enforced.v1": z.object({ charges: z.array(quotaCharge) }),
  /**
   * Good for one append to the ledger of `chassisId` that is conditional on `ledgerSeq` being its last sequence, and for none
   * once that ledger has moved on.
   */
  "bioxen.quota.charged.v1": z.object({
    chassisId: z.string(),
    ledgerSeq: z.int().min(0),
    charges: z.array(quotaCharge.omit({ chassisId: true })).min(1),
  }),
  /** Charges as their ledgers have it; null: nothing is held there, the charge is gone. */
  "bioxen.quota.settled.v1": z.object({
    charges: z
      .array(z.object({ vmId: z.string(), chassisId: z.string(), amounts: recordedAmounts.nullable() }))
      .min(1),
  }),
} as const;

export type QuotaEvent = {
  [T in keyof typeof QUOTA_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof QUOTA_EVENTS)[T]> };
}[keyof typeof QUOTA_EVENTS];
