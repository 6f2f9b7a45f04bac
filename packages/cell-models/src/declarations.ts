/** What services need to know of cell models, without the equations of any. */
export type { CellModel } from "./cell-model.ts";
export { cellModelProblems } from "./cell-model-problems.ts";
export {
  CELL_AGES,
  CELL_LINEAGES,
  CELL_NOISES,
  type CellAge,
  type CellLineage,
  type CellNoise,
  type ChanceSettings,
  chanceProblems,
} from "./cell-options.ts";
export {
  type DeclaredDemand,
  type DeclaredQuantity,
  type DeclaredSet,
  type DeclaredType,
  type DeclaredVariable,
  declarationOf,
  declarationProblems,
  MAX_DECLARATION_BYTES,
  MAX_DECLARED,
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
export { WEISSE_DECLARATION } from "./weisse-declaration.ts";
