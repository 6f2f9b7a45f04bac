/**
 * The endpoints of placement: plan, explain, rebalance; and the create request, which a plan takes as well.
 */
import * as z from "zod";
import { record } from "../courses.ts";
import { placementDecision } from "../events/ledger.ts";
import { UNTIL_ACTIONS } from "../events/until.ts";
import { placementRefusal } from "../events/vm.ts";
import { PREEMPTION_MODES } from "../fold/vm-state.ts";
import { pageRequest, pageResult } from "../pages.ts";
import { BIOLOGICAL_TYPES, VM_TYPES } from "../resources.ts";
import { MAX_SCHEDULE_ENTRIES } from "../schedule.ts";
import {
  config,
  environment,
  expectedVersion,
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
import { endpoint, paged } from "./endpoint.ts";
import { simMinute } from "./internal.ts";

const scheduleEntry = z
  .strictObject({
    atMinute: simMinute,
    environment: environment
      .refine((e) => Object.keys(e).length > 0, "must name at least one field")
      .optional(),
    resources: requestedResources
      .refine((r) => Object.keys(r).length > 0, "must name at least one resource")
      .optional(),
  })
  .refine(
    (entry) => entry.environment !== undefined || entry.resources !== undefined,
    "must have an environment or resources",
  );

export const until = z.strictObject({ simMinutes: simMinute.min(1), then: z.enum(UNTIL_ACTIONS) });

const newVm = z.strictObject({
  vmId: id.optional(),
  biologicalType: z.enum(BIOLOGICAL_TYPES),
  vmType: z.enum(VM_TYPES).default("basic"),
  resources: requestedResources.default({}),
  /**
   * The amounts that the VM keeps when preemption starves it, written like `resources`. Of a resource that is left out,
   * the VM keeps the requested amount.
   */
  guarantee: requestedResources.optional(),
  /**
   * The amounts up to which the VM may borrow idle ribosomes, RNA polymerases and ATP of its chassis, written like
   * `resources`. VMs share idle capacity in proportion to their priorities. Absent: the VM borrows nothing and grows
   * on its allocation.
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
  /**
   * What changes at minutes of simulated time, for cells only: the given fields of the environment, the given resources,
   * or both. After a restore of the VM the entries of later minutes act again. The largest amounts are reserved at the
   * start.
   */
  schedule: z.array(scheduleEntry).max(MAX_SCHEDULE_ENTRIES).optional(),
  /**
   * `max`: the cell lives as fast as its agent can compute it, for cells only. It uses the time that the cells at the rate
   * of the agent leave, in turn with other such cells, and has the same course as at any other time scale. Absent: the
   * rate of the agent.
   */
  timeScale: z.enum(["max"]).optional(),
  /**
   * The last minute of the cell, for cells only: there the VM is paused or stops, whatever its restart policy is. The
   * hooks and the scheduled changes of this minute act before. Absent: the cell has none.
   */
  until: until.optional(),
  /** Rows of the cell's time course that are stored; absent: none. `basic` VMs only. */
  record: record.optional(),
});
export const createRequest = newVm.extend({ expectedVersion });
export type CreateRequest = z.input<typeof createRequest>;

const planRequest = z.union([
  z.strictObject({ vmIds: z.array(id).min(1).max(MAX_PAGE), ...pageRequest }),
  newVm.extend(pageRequest),
]);

const candidate = z.object({
  chassisId: z.string(),
  score: z.int().nullable(),
  /**
   * How well the chassis meets the preferences of the VM: the sum of the weights of its preferred affinity terms that
   * match, minus a fixed amount for each untolerated soft taint. A higher preference wins over a higher score. Absent:
   * the VM has no preferences.
   */
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

/**
 * A VM that was preempted for the explained VM. `active` is true while this preempted VM still holds less than its
 * request.
 */
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

const PLAN_PAGES = {
  placements: "items",
  deferrals: { key: "vmId", each: { reasons: "items" } },
  preemptions: { key: "vmId", each: { victims: "items" } },
  changes: "items",
  scores: "items-by-name",
} as const;

export const PLACEMENT_ENDPOINTS = {
  placementPlan: paged(
    endpoint(
      "bioxen.qry.placement.plan",
      "chassis-scheduler",
      "The places that existing VMs, or a VM created with this request, would get now. Changes nothing. All pages are of one plan, which the instance that made it keeps for a minute.",
      planRequest,
      z.object({
        placements: z.array(z.object({ vmId: z.string(), chassisId: z.string(), score: z.int() })),
        deferrals: z.array(z.object({ vmId: z.string(), reasons: z.array(placementRefusal) })),
        /** For each waiting VM that needs preemption: the VMs that would be preempted for it, each with the mode. */
        preemptions: z.array(preemptionPlanned),
        scores: z.record(z.string(), z.array(candidate)),
        /**
         * The VMs whose planned chassis differs from their present one; null stands for no chassis. A VM that is already
         * placed is planned as if it were not.
         */
        changes: z.array(
          z.object({ vmId: z.string(), from: z.string().nullable(), to: z.string().nullable() }),
        ),
        ...pageResult,
      }),
    ),
    PLAN_PAGES,
  ),
  placementExplain: paged(
    endpoint(
      "bioxen.qry.placement.explain",
      "chassis-scheduler",
      "Why a VM has its place or none: every chassis with its score or its refusal. All pages are of one answer, which the instance that made it keeps for a minute.",
      z.strictObject({ vmId: id, ...pageRequest }),
      z.object({
        vmId: z.string(),
        state: z.string(),
        chassisId: z.string().nullable(),
        summary: z.string(),
        /**
         * For a VM of a pool: what it asks of the cell in its machine, such as `ribosomes` or `program`. If it asks for
         * anything, a start is complete only once the guest agent in the machine runs the cell. Absent for other VMs.
         */
        cellNeeds: z.array(z.string()).optional(),
        /** The evaluation of each chassis at the time of the query. A placed VM is evaluated as if it were not placed. */
        candidates: z.array(candidate),
        /**
         * The recorded decision for the VM's present placement; null when the VM is not placed, or in logs from before
         * decisions were recorded.
         */
        decision: recordedDecision.nullable(),
        /** The VM's own last preemption; null when it was never preempted. */
        preemption: preemptionView.nullable(),
        /** The VMs that were preempted for this VM. */
        preempted: z.array(preemptedForIt),
        ...pageResult,
      }),
    ),
    { candidates: "items", preempted: "items" },
  ),
  placementRebalance: endpoint(
    "bioxen.qry.placement.rebalance",
    "chassis-scheduler",
    "The moves of running VMs that would improve the balance, with reasons: moves that empty chassis (`bin-pack`) or even them out (`spread`). `used` is the number of chassis in use, `spread` the difference in fullness in permille, `coolingDown` the number of VMs that were placed too recently to move. Changes nothing.",
    rebalanceRequest,
    z.object(rebalanced),
  ),
  chassisRebalance: endpoint(
    "bioxen.cmd.chassis.rebalance",
    "chassis-scheduler",
    "Request the moves that `bioxen.qry.placement.rebalance` returns, and reply with them. Each move has code `REBALANCE`, proceeds on its own, and is cancelled after a minute without a place. `asked` has the VMs whose move was requested; the others left, stopped or started another move meanwhile.",
    rebalanceRequest,
    z.object({ ...rebalanced, changed: z.boolean(), asked: z.array(z.string()) }),
  ),
} as const;
