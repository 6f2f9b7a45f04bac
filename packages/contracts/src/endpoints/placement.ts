/**
 * Placement's part of the catalogue: where VMs would go and why, and the request that makes one.
 */
import { z } from "zod";
import { placementDecision } from "../events/ledger.ts";
import { placementRefusal } from "../events/vm.ts";
import { PREEMPTION_MODES } from "../fold/vm-state.ts";
import { BIOLOGICAL_TYPES, VM_TYPES } from "../resources.ts";
import {
  config,
  environment,
  id,
  labels,
  MAX_PAGE,
  MAX_REBALANCE_MOVES,
  PLACEMENT_POLICIES,
  placement,
  priority,
  recordedAmounts,
  requestedResources,
  restartPolicy,
  seed,
  source,
} from "../schemas.ts";
import { preemptionView } from "../views.ts";
import { endpoint } from "./endpoint.ts";

export const createRequest = z.strictObject({
  vmId: id.optional(),
  biologicalType: z.enum(BIOLOGICAL_TYPES),
  vmType: z.enum(VM_TYPES).default("basic"),
  resources: requestedResources.default({}),
  /** The least that a VM of higher priority may shrink it to, in the form of `resources`; what it leaves out is the request's. */
  guarantee: requestedResources.optional(),
  /**
   * Up to what idle ribosomes, RNA polymerases and ATP of its chassis are lent to it while it can use them, by weight of priority, in the
   * form of `resources`. Absent: nothing is lent, it grows as its allocation lets it.
   */
  burst: requestedResources.optional(),
  priority: priority.default(1),
  seed: seed.optional(),
  program: source.optional(),
  environment: environment.default({}),
  placement: placement.default({}),
  restartPolicy: restartPolicy.default({ mode: "never", maxAttempts: 3, backoffMs: 1_000 }),
  labels: labels.default({}),
  config: config.default({}),
});
export type CreateRequest = z.input<typeof createRequest>;

const planRequest = z.union([z.strictObject({ vmIds: z.array(id).min(1).max(MAX_PAGE) }), createRequest]);

const candidate = z.object({
  chassisId: z.string(),
  score: z.int().nullable(),
  /** What preferred terms and taints add; the highest goes before the highest score. Absent: nothing is preferred. */
  preference: z.int().optional(),
  refusal: placementRefusal.nullable(),
});

const preemptionPlanned = z.object({
  vmId: z.string(),
  chassisId: z.string(),
  victims: z.array(
    z.object({ vmId: z.string(), priority: z.int(), mode: z.enum(PREEMPTION_MODES), frees: recordedAmounts }),
  ),
});

/** `active`: it still goes without. */
const preemptedForIt = z.object({
  vmId: z.string(),
  mode: z.enum(PREEMPTION_MODES),
  reason: z.string(),
  seq: z.int(),
  atMs: z.int(),
  active: z.boolean(),
});

const balance = z.object({ used: z.int(), spread: z.int() });
const recordedDecision = placementDecision.extend({
  chassisId: z.string(),
  planId: z.string(),
  seq: z.int(),
  atMs: z.int(),
});
export type RecordedDecision = z.infer<typeof recordedDecision>;

const rebalanceRequest = z.strictObject({
  policy: z.enum(PLACEMENT_POLICIES).optional(),
  maxMoves: z.int().min(1).max(MAX_REBALANCE_MOVES).default(MAX_REBALANCE_MOVES),
});
const rebalanced = {
  policy: z.enum(PLACEMENT_POLICIES),
  moves: z.array(
    z.object({
      vmId: z.string(),
      fromChassisId: z.string(),
      toChassisId: z.string(),
      reason: z.string(),
    }),
  ),
  before: balance,
  after: balance,
  coolingDown: z.int(),
};

export const PLACEMENT_ENDPOINTS = {
  placementPlan: endpoint(
    "bioxen.qry.placement.plan",
    "chassis-scheduler",
    "Where these VMs, or a VM made like this, would be placed now. Changes nothing.",
    planRequest,
    z.object({
      placements: z.array(z.object({ vmId: z.string(), chassisId: z.string(), score: z.int() })),
      deferrals: z.array(z.object({ vmId: z.string(), reasons: z.array(placementRefusal) })),
      /** Who of lower priority would give way to those that wait, and how. */
      preemptions: z.array(preemptionPlanned),
      scores: z.record(z.string(), z.array(candidate)),
      /** What would be other than now; who has a place is planned as if it had none. null: no place. */
      changes: z.array(
        z.object({ vmId: z.string(), from: z.string().nullable(), to: z.string().nullable() }),
      ),
    }),
  ),
  placementExplain: endpoint(
    "bioxen.qry.placement.explain",
    "chassis-scheduler",
    "Why a VM is where it is, or nowhere: every chassis with its score or its refusal.",
    z.strictObject({ vmId: id }),
    z.object({
      vmId: z.string(),
      state: z.string(),
      chassisId: z.string().nullable(),
      summary: z.string(),
      /** As of now; of one that has a place as if it had none. */
      candidates: z.array(candidate),
      /** Why it got its place, as decided then; null without a place, or where it was not recorded. */
      decision: recordedDecision.nullable(),
      /** How it gave way itself; null when it never did. */
      preemption: preemptionView.nullable(),
      /** Who gave way to it, and how. */
      preempted: z.array(preemptedForIt),
    }),
  ),
  placementRebalance: endpoint(
    "bioxen.qry.placement.rebalance",
    "chassis-scheduler",
    "Which running VMs would be better off elsewhere for the sake of all, and why: moves that empty chassis (`bin-pack`) or even them out (`spread`). `used` counts chassis in use, `spread` is the difference in fullness in thousandths, `coolingDown` the VMs that came to their places too lately. Changes nothing.",
    rebalanceRequest,
    z.object(rebalanced),
  ),
  chassisRebalance: endpoint(
    "bioxen.cmd.chassis.rebalance",
    "chassis-scheduler",
    "Ask for the moves that `bioxen.qry.placement.rebalance` names, and answer with them; each goes on by itself, with code `REBALANCE`, and is given up after a minute without a place. `asked`: the VMs that are to move by this; others went, stopped or began to move meanwhile.",
    rebalanceRequest,
    z.object({ ...rebalanced, changed: z.boolean(), asked: z.array(z.string()) }),
  ),
} as const;
