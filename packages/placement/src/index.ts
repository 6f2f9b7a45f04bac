export {
  type ContendedRoom,
  NO_PENDING_RELEASE,
  type PendingRelease,
  type PreemptedVm,
  type Settlement,
  settleClaims,
} from "./claims.ts";
export type { Outcome, ReplayDifference, ReplayReport, ReplaySummary, Reproduction } from "./compare.ts";
export { containedPolicy, policyProblems } from "./contained-policy.ts";
export * from "./plan.ts";
export {
  BIN_PACK,
  builtInPolicy,
  DEFAULT_POLICY,
  DEFAULT_POLICY_NAME,
  type Fit,
  FULL_SCORE,
  fullnessWith,
  type PlacementPolicy,
  policyOf,
  SPREAD,
} from "./policy.ts";
export type { Preemption } from "./preemption.ts";
export { QuotaRooms } from "./quota-room.ts";
export {
  COOL_DOWN_MS,
  planRebalance,
  type Rebalance,
  type Resident,
  type ResidentRoom,
} from "./rebalance.ts";
export { DemandReplay, type ExtraChassis, type ReplayOptions, replayDemand } from "./replay.ts";
export { type Claim, type Share, shareOut } from "./sharing.ts";
export { type ChassisRoom, type WaitingVm, waitingVm } from "./snapshot.ts";
export { AGEING_STEP_MS, byUrgency, effectivePriority } from "./urgency.ts";
export type { ChassisUse } from "./use-meter.ts";
export { type Candidate, MAX_CANDIDATES } from "./verdict-summary.ts";
export { canGiveWay, type Holder, holderOf, type Victim } from "./victims.ts";
