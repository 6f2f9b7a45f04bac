/**
 * What can have happened to the account of one chassis. A reservation's fencing token is the stream sequence of the
 * event that made it: monotone over all chassis, known to every reader, never chosen by anybody.
 */
import { z } from "zod";
import { recordedAmounts } from "../schemas.ts";

/** Chassis named in one recorded decision: a plan's event holds hundreds of them. */
export const MAX_RECORDED_CANDIDATES = 5;

/** Why this chassis, as the scheduler saw it: a few lines whatever the size of the cluster. */
export const placementDecision = z.object({
  policy: z.string(),
  policyVersion: z.int(),
  /** 0 to 1000, by the policy. */
  score: z.int(),
  /** The best, the chosen one first. */
  candidates: z.array(z.object({ chassisId: z.string(), score: z.int() })).max(MAX_RECORDED_CANDIDATES),
  /** Chassis that were looked at; of the others none could have been better. */
  looked: z.int(),
  /** Of these, those that could hold it. */
  fitting: z.int(),
  /** Of these, those that could not, by kind of reason. */
  refused: z.array(
    z.object({ code: z.string(), resource: z.string().optional(), chassisCount: z.int().min(1) }),
  ),
});
export type PlacementDecision = z.infer<typeof placementDecision>;

export const reservation = z.object({
  vmId: z.string(),
  incarnation: z.int().min(1),
  amounts: recordedAmounts,
  /** Absent before decisions were recorded. */
  decision: placementDecision.optional(),
});

/** An entry is named by its VM and the fencing token of its reservation. */
export const entryKey = z.object({ vmId: z.string(), fence: z.int().min(1) });

/** Of what there is, the thousandths that are offered of each resource; absent: none is oversubscribed. */
const oversubscribePermille = recordedAmounts.optional();

export const LEDGER_EVENTS = {
  "bioxen.ledger.opened.v1": z.object({
    chassisType: z.string(),
    capacity: recordedAmounts,
    offered: recordedAmounts,
    maxVms: z.int().min(0),
    oversubscribePermille,
  }),
  "bioxen.ledger.capacity-changed.v1": z.object({
    capacity: recordedAmounts,
    offered: recordedAmounts,
    maxVms: z.int().min(0),
    oversubscribePermille,
  }),
  /** A whole plan at once: all of it was free together. */
  "bioxen.ledger.reserved.v1": z.object({
    planId: z.string(),
    reservations: z.array(reservation).min(1),
    expiresAtMs: z.int(),
    /** The scheduler's lease when it proposed this; absent before schedulers had leases. Never falls in one ledger. */
    proposerToken: z.int().min(1).optional(),
  }),
  "bioxen.ledger.committed.v1": z.object({ entries: z.array(entryKey).min(1) }),
  "bioxen.ledger.released.v1": z.object({ entries: z.array(entryKey).min(1), reason: z.string() }),
  /** Not confirmed in time. */
  "bioxen.ledger.expired.v1": z.object({ entries: z.array(entryKey).min(1) }),
  "bioxen.ledger.resized.v1": z.object({ vmId: z.string(), fence: z.int().min(1), amounts: recordedAmounts }),
  /** Nothing changes but the last sequence: whoever decides on this ledger from here on knows of the quota, or its charge is void. */
  "bioxen.ledger.fenced.v1": z.object({ quota: z.string() }),
  "bioxen.ledger.closed.v1": z.object({}),
} as const;

export type LedgerEvent = {
  [T in keyof typeof LEDGER_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof LEDGER_EVENTS)[T]> };
}[keyof typeof LEDGER_EVENTS];
