/**
 * The events of a ledger, the account of one chassis.
 *
 * The fencing token of a reservation is the stream sequence of the event that made it. The token is therefore monotonic
 * over all chassis and known to every reader, and no process has to choose it.
 */
import * as z from "zod";
import { recordedAmounts } from "../schemas.ts";

/**
 * Maximum number of chassis that one recorded decision names. The number is small, because the event of one plan holds
 * hundreds of decisions.
 */
export const MAX_RECORDED_CANDIDATES = 5;

/** Why the scheduler chose this chassis. The record stays small however large the cluster is. */
export const placementDecision = z.object({
  policy: z.string(),
  policyVersion: z.int(),
  /** Score by the policy, 0 to 1000. */
  score: z.int(),
  /** The best candidates; the chosen chassis comes first. */
  candidates: z.array(z.object({ chassisId: z.string(), score: z.int() })).max(MAX_RECORDED_CANDIDATES),
  /** Number of chassis that were evaluated. No chassis without an evaluation could have scored better. */
  looked: z.int(),
  /** Number of evaluated chassis with room for the VM. */
  fitting: z.int(),
  /** The evaluated chassis without room for the VM, counted by the kind of reason. */
  refused: z.array(
    z.object({ code: z.string(), resource: z.string().optional(), chassisCount: z.int().min(1) }),
  ),
});
export type PlacementDecision = z.infer<typeof placementDecision>;

export const reservation = z.object({
  vmId: z.string(),
  incarnation: z.int().min(1),
  amounts: recordedAmounts,
  /** Why the scheduler chose the chassis; absent in logs from before decisions were recorded. */
  decision: placementDecision.optional(),
});

/** Names a ledger entry: its VM, and the fencing token of its reservation. */
export const entryKey = z.object({ vmId: z.string(), fence: z.int().min(1) });

/**
 * Per resource, the share of the real amount that the ledger offers, in permille (1200 = 120 %). The share of a
 * resource that is left out is 1000.
 */
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
  /** The ledger holds these reservations, which one plan proposed. There was room for all of them together. */
  "bioxen.ledger.reserved.v1": z.object({
    planId: z.string(),
    reservations: z.array(reservation).min(1),
    expiresAtMs: z.int(),
    /**
     * Token of the lease under which the scheduler made the proposal; absent in logs from before leases existed. Within
     * one ledger the token never decreases.
     */
    proposerToken: z.int().min(1).optional(),
  }),
  "bioxen.ledger.committed.v1": z.object({ entries: z.array(entryKey).min(1) }),
  "bioxen.ledger.released.v1": z.object({ entries: z.array(entryKey).min(1), reason: z.string() }),
  /** The reservations were not confirmed in time. */
  "bioxen.ledger.expired.v1": z.object({ entries: z.array(entryKey).min(1) }),
  "bioxen.ledger.resized.v1": z.object({ vmId: z.string(), fence: z.int().min(1), amounts: recordedAmounts }),
  /**
   * Changes only the last sequence of the ledger. This has two effects. An allocator that decides on this ledger
   * afterwards has read this event, and therefore knows `quota`. A charge that was made for an earlier sequence of this
   * ledger, and is still unused, becomes void.
   */
  "bioxen.ledger.fenced.v1": z.object({ quota: z.string() }),
  "bioxen.ledger.closed.v1": z.object({}),
} as const;

export type LedgerEvent = {
  [T in keyof typeof LEDGER_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof LEDGER_EVENTS)[T]> };
}[keyof typeof LEDGER_EVENTS];
