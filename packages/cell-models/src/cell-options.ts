/** The options of a new cell. */
import type { CellAllocation, CellEnvironment } from "./allocation.ts";
import type { BiologicalType, ParameterSetName } from "./cell-types.ts";
import type { GeneSpec } from "./genes.ts";
import type { SettingProblem } from "./model-settings.ts";

export interface CellOptions {
  readonly biologicalType: BiologicalType;
  readonly parameterSet?: ParameterSetName | undefined;
  /** Amounts of resources, integers. An absent resource is 0. */
  readonly allocation: CellAllocation;
  readonly environment?: CellEnvironment | undefined;
  /** Seed of the cell's random numbers: a safe integer of at least 0. It acts on the noise and on a random age. */
  readonly seed: number;
  /**
   * What is random in the cell. `none`: nothing, and both daughters get exactly half. `partition`: a division deals out the
   * macromolecules at random. `expression`: that, and the reactions of genes (expression-noise.ts). Default `none`.
   */
  readonly noise?: CellNoise | undefined;
  /** Another way to say `noise`: true for `partition`, false for `none`. At most one of the two may be given. */
  readonly partitionNoise?: boolean | undefined;
  /**
   * The cell's age at boot: `newborn`, or `random` for that of a cell picked from a population that grows steadily. It
   * decides when the cell first divides. Default `newborn`.
   */
  readonly age?: CellAge | undefined;
  /** Checked only: the caller takes the second daughters with `onSecondDaughter`. Default `one`. */
  readonly lineage?: CellLineage | undefined;
  /** Genes of a circuit; default none. */
  readonly genes?: readonly GeneSpec[] | undefined;
}

export const CELL_NOISES = ["none", "partition", "expression"] as const;
export type CellNoise = (typeof CELL_NOISES)[number];
export const CELL_AGES = ["newborn", "random"] as const;
export type CellAge = (typeof CELL_AGES)[number];
/** What becomes of the two daughters of a division: a VM goes on with one of them, or with `both` as two VMs. */
export const CELL_LINEAGES = ["one", "both"] as const;
export type CellLineage = (typeof CELL_LINEAGES)[number];

/** What decides over chance in a cell, as a user says it: values of any kind. */
export interface ChanceSettings {
  readonly noise?: unknown;
  readonly partitionNoise?: unknown;
  readonly age?: unknown;
  readonly lineage?: unknown;
}

/** Returns every problem of the settings of chance, each with the path of its field. */
export function chanceProblems({ noise, partitionNoise, age, lineage }: ChanceSettings): SettingProblem[] {
  const isOneOf = (values: readonly unknown[], value: unknown) =>
    value === undefined || values.includes(value);
  const problems: SettingProblem[] = [];
  const report = (path: string, message: string) => problems.push({ path, message });
  if (!isOneOf(CELL_NOISES, noise)) report("noise", `must be ${CELL_NOISES.join(", ")}`);
  if (!isOneOf([true, false], partitionNoise)) report("partitionNoise", "must be true or false");
  if (noise !== undefined && partitionNoise !== undefined) {
    report("noise", "is given beside partitionNoise: use one of the two");
  }
  if (!isOneOf(CELL_AGES, age)) report("age", `must be ${CELL_AGES.join(", ")}`);
  if (!isOneOf(CELL_LINEAGES, lineage)) report("lineage", `must be ${CELL_LINEAGES.join(", ")}`);
  return problems;
}

/** Returns the noise of a cell with these settings, which must be valid. */
export function noiseOf({ noise, partitionNoise }: ChanceSettings): CellNoise {
  return (noise as CellNoise | undefined) ?? (partitionNoise === true ? "partition" : "none");
}

/** Throws a `RangeError` that lists every problem of the seed and of the settings of chance. */
export function requireChance(
  options: Pick<CellOptions, "noise" | "partitionNoise" | "age" | "lineage" | "seed">,
): void {
  const { seed } = options;
  const problems = chanceProblems(options).map(({ path, message }) => `${path}: ${message}`);
  if (!(Number.isSafeInteger(seed) && seed >= 0))
    problems.push(`seed: ${seed} is not an integer of 0 or more`);
  if (problems.length > 0) throw new RangeError(problems.join("; "));
}
