export type { Outcome, ReplayDifference, ReplayReport, ReplaySummary, Reproduction } from "./compare.ts";
export { waitingVm } from "./demand.ts";
export * from "./plan.ts";
export { DEFAULT_POLICY, policyOf } from "./policy.ts";
export { DemandReplay, type ExtraChassis, type ReplayOptions, replayDemand } from "./replay.ts";
export type { ChassisUse } from "./use-meter.ts";
