export * from "./access.ts";
export * from "./alert-deliverer.ts";
export * from "./alerts.ts";
export { callEndpoint, callFailure, type ReplyFrom } from "./call.ts";
export { type CallShape, callByShape } from "./call-shape.ts";
export { CALL_SHAPES } from "./call-shapes.ts";
export { cellFieldsOf, cellProblems, configProblems, mediumProblems } from "./cell-config.ts";
export { cellNeedsOf } from "./cell-needs.ts";
export * from "./chassis-types.ts";
export * from "./codec.ts";
export * from "./courses.ts";
export * from "./default-alert-rules.ts";
export { suggestion } from "./did-you-mean.ts";
export * from "./endpoints/catalogue.ts";
export * from "./endpoints/drain.ts";
export * from "./endpoints/endpoint.ts";
export {
  EXPERIMENT_VM_STATUSES,
  type ExperimentView,
  type ExperimentVmView,
  experimentView,
  experimentVmView,
} from "./endpoints/experiment.ts";
export {
  type AgentCheckpointRequest,
  type AgentExecRequest,
  type AgentHoldRequest,
  type AgentProgramAgain,
  agentCheckpoint,
  agentExec,
  agentExecRequest,
  agentHold,
  agentProgramAgain,
  simMinute,
} from "./endpoints/internal.ts";
export { MAX_LISTED_MESSAGES, type SkippedView, type UnreadableView } from "./endpoints/log.ts";
export { HEALTH_CODES } from "./endpoints/monitor.ts";
export {
  agentOrphans,
  type OrphanView,
  orphanView,
} from "./endpoints/orphans.ts";
export { type CreateRequest, createRequest, type RecordedDecision, until } from "./endpoints/placement.ts";
export * from "./endpoints/problem.ts";
export * from "./errors.ts";
export * from "./event-filter.ts";
export * from "./events/alert.ts";
export * from "./events/chassis.ts";
export * from "./events/drain.ts";
export * from "./events/experiment.ts";
export * from "./events/guest-state.ts";
export * from "./events/ledger.ts";
export * from "./events/log.ts";
export * from "./events/move.ts";
export * from "./events/observed.ts";
export * from "./events/quota.ts";
export * from "./events/start.ts";
export * from "./events/until.ts";
export * from "./events/vm.ts";
export * from "./experiments/experiment.ts";
export * from "./experiments/experiment-file.ts";
export * from "./feasibility.ts";
export * from "./feed.ts";
export * from "./fold/alert.ts";
export * from "./fold/chassis.ts";
export * from "./fold/drain.ts";
export * from "./fold/experiment.ts";
export * from "./fold/guest-state.ts";
export * from "./fold/ledger.ts";
export * from "./fold/ledgers-of-vms.ts";
export * from "./fold/log.ts";
export * from "./fold/move.ts";
export * from "./fold/observed.ts";
export * from "./fold/quota.ts";
export * from "./fold/start.ts";
export * from "./fold/vm.ts";
export {
  allocationsAfter,
  amountsAt,
  largestFrom,
  MAX_COMING_CHANGES,
  releasableTo,
} from "./fold/vm-changes.ts";
export { describeRefusals, isForWaiting } from "./fold/vm-placement.ts";
export * from "./fold/vm-state.ts";
export * from "./frozen-pages.ts";
export * from "./handler.ts";
export * from "./hidden-vms.ts";
export * from "./host-fit.ts";
export * from "./http/query-payload.ts";
export * from "./http/routes.ts";
export * from "./identities.ts";
export { checkedBy } from "./issue-words.ts";
export {
  isSubjectTail,
  jobIdProblem,
  MAX_JOB_ID_LENGTH,
  ownJobId,
  publishedJobId,
  tenantJobId,
} from "./job-id.ts";
export * from "./jobs.ts";
export * from "./lineage.ts";
export * from "./metrics.ts";
export * from "./misfit.ts";
export {
  announcedModels,
  BUILT_IN_MODELS,
  DEFAULT_MODEL,
  type DeclaredQuantity,
  hasModelOf,
  type KnownModels,
  knownModels,
  MAX_MODELS,
  type ModelDeclaration,
  modelOf,
  modelRefusal,
  modelsFor,
  otherModelOf,
  type RecordedModel,
  recordedModel,
  withDemand,
} from "./models.ts";
export * from "./neighbours.ts";
export { optionalFields } from "./optional-fields.ts";
export * from "./page-shape.ts";
export * from "./pages.ts";
export * from "./past-state.ts";
export * from "./preemption.ts";
export { type EndpointSchemas, endpointSchemas } from "./protocol/endpoint-schemas.ts";
export { type Direction, publishedSchema } from "./protocol/publishing.ts";
export * from "./quota-label.ts";
export * from "./refusal-kinds.ts";
export * from "./request-limits.ts";
export * from "./resource-problems.ts";
export * from "./resources.ts";
export * from "./schedule.ts";
export * from "./schemas.ts";
export { dataWithoutSecrets, lineWithoutSecrets } from "./secrets.ts";
export * from "./service-access.ts";
export * from "./sizes.ts";
export * from "./skipped-messages.ts";
export * from "./state-pages.ts";
export * from "./stored.ts";
export type { StreamDeclaration } from "./stream-declaration.ts";
export * from "./subjects.ts";
export * from "./telemetry.ts";
export * from "./tenants.ts";
export * from "./time-scale.ts";
export * from "./until.ts";
export { isSuperseded, UPCASTERS, upcast } from "./upcasters.ts";
export { BIOXEN_VERSION } from "./version.ts";
export * from "./views.ts";
export * from "./walk-log.ts";
