export {
  allocationProblems,
  type CellAllocation,
  type CellEnvironment,
  environmentBounds,
  environmentProblems,
  limitsOf,
} from "./allocation.ts";
export { Cell, MAX_ADVANCE_MINUTES, QUANTUM_MINUTES } from "./cell.ts";
export {
  type BootOptions,
  type CellModel,
  type HostedCell,
  type HostedModel,
  type LivingCell,
  type MediumFields,
  type ModelOptions,
  type ModelSample,
  type ModelSnapshot,
  type Quantities,
  type RestoreOptions,
  type StateVariable,
  WEISSE,
} from "./cell-model.ts";
export { cellModelProblems } from "./cell-model-problems.ts";
export {
  CELL_AGES,
  CELL_LINEAGES,
  CELL_NOISES,
  type CellAge,
  type CellLineage,
  type CellNoise,
  type CellOptions,
  chanceProblems,
  noiseOf,
} from "./cell-options.ts";
export type { CellSample } from "./cell-sample.ts";
export {
  type BiologicalType,
  biologicalTypes,
  type CellResource,
  type CellType,
  cellResources,
  cellTypeOf,
  type ParameterSetName,
  parameterSets,
  type ResourceDemand,
} from "./cell-types.ts";
export {
  GENE_BOUNDS,
  GENE_NAME,
  type GeneProblem,
  type GeneSpec,
  geneProblems,
  MAX_GENES,
  MAX_HILL,
  MAX_REGULATORS,
  type Regulation,
  type RegulationKind,
  THRESHOLD_BOUNDS,
} from "./genes.ts";
export { hosted } from "./hosted-model.ts";
export {
  type DeclaredDemand,
  type DeclaredQuantity,
  type DeclaredSet,
  type DeclaredType,
  type DeclaredVariable,
  declarationOf,
  declarationProblems,
  type ModelDeclaration,
} from "./model-declaration.ts";
export {
  DEFAULT_SET,
  environmentOf,
  environmentValueProblems,
  fullDemandOf,
  type ModelSettings,
  parametersOf,
  type SettingProblem,
  settingProblems,
} from "./model-settings.ts";
export {
  OPTIMISE_TOLERANCE_PERMILLE,
  type OptimiseOptions,
  type Optimum,
  optimiseAllocation,
} from "./optimise.ts";
export {
  type CellSnapshot,
  SNAPSHOT_FORMAT,
  SNAPSHOT_FORMAT_EXPRESSION,
  SNAPSHOT_FORMAT_GENES,
  snapshotProblems,
} from "./snapshot.ts";
export { type SteadyState, type SteadyStateOptions, steadyState } from "./steady-state.ts";
export { StepLimitError } from "./step-limit-error.ts";
