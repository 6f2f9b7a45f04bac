/**
 * A cell at a quantum boundary as plain JSON data: exactly the state that determines its future.
 *
 * Numbers are doubles. JSON writes the shortest text that reads back as the same double. A cell that is restored from
 * text therefore continues bit for bit like an uninterrupted cell. The solver's step length is included, because it
 * determines where the next steps end. A snapshot is external input from a store, and is validated before use.
 */
import { allocationProblems, type CellAllocation, environmentProblems } from "./allocation.ts";
import { type BiologicalType, biologicalTypes, type ParameterSetName, parameterSets } from "./cell-types.ts";
import { type GeneSpec, geneProblems, geneVariables } from "./genes.ts";
import type { RandomState } from "./random.ts";
import { STATE_NAMES } from "./state.ts";
import type { Surroundings } from "./weisse.ts";

/**
 * Versions of the snapshot format: of cells without genes, of cells with genes, and of cells with expression noise, with or
 * without genes. A version changes when the order or meaning of `state` changes; a snapshot of another format is rejected.
 */
export const SNAPSHOT_FORMAT = 1;
export const SNAPSHOT_FORMAT_GENES = 2;
export const SNAPSHOT_FORMAT_EXPRESSION = 3;
const FORMATS: readonly unknown[] = [SNAPSHOT_FORMAT, SNAPSHOT_FORMAT_GENES, SNAPSHOT_FORMAT_EXPRESSION];

/**
 * Snapshot of one cell. It is a type alias and not an interface, because it must be assignable to `ModelSnapshot`. That
 * type has an index signature, and TypeScript assigns no interface to such a type.
 */
export type CellSnapshot = {
  readonly format: typeof SNAPSHOT_FORMAT | typeof SNAPSHOT_FORMAT_GENES | typeof SNAPSHOT_FORMAT_EXPRESSION;
  readonly biologicalType: BiologicalType;
  readonly parameterSet: ParameterSetName;
  readonly allocation: CellAllocation;
  readonly environment: Readonly<Surroundings>;
  /** True for every kind of noise. */
  readonly partitionNoise: boolean;
  /** Present exactly in format 3. */
  readonly noise?: "expression";
  readonly random: Readonly<RandomState>;
  /** The state variables in the order of `STATE_NAMES`, then those of the genes. */
  readonly state: readonly number[];
  readonly stepMinutes: number;
  readonly simMinutes: number;
  readonly divisions: number;
  /** The genes of a cell with genes; absent in format 1. */
  readonly genes?: readonly GeneSpec[];
};

/**
 * Returns one sentence per problem of the snapshot, each starting with the path of the field. Empty if a cell can be
 * restored from the snapshot.
 */
export function snapshotProblems(snapshot: CellSnapshot): string[] {
  if (typeof snapshot !== "object" || snapshot === null) return ["snapshot: is not an object"];
  const { format } = snapshot;
  if (!FORMATS.includes(format)) {
    return [`format: ${format} is not one of ${FORMATS.join(", ")}, which this version reads`];
  }
  const problems = genesProblems(snapshot);
  // Which numbers the state has is known only if the genes are valid.
  const names = problems.length > 0 ? undefined : [...STATE_NAMES, ...geneVariables(snapshot.genes ?? [])];
  if (!biologicalTypes.includes(snapshot.biologicalType)) problems.push("biologicalType: is not known");
  if (!parameterSets.includes(snapshot.parameterSet)) problems.push("parameterSet: is not known");
  if (typeof snapshot.partitionNoise !== "boolean") problems.push("partitionNoise: is not a boolean");
  problems.push(...noiseProblems(snapshot));
  if (!isCount(snapshot.simMinutes)) problems.push("simMinutes: is not an integer of 0 or more");
  if (!isCount(snapshot.divisions)) problems.push("divisions: is not an integer of 0 or more");
  if (!(Number.isFinite(snapshot.stepMinutes) && snapshot.stepMinutes > 0)) {
    problems.push("stepMinutes: is not a number above 0");
  }
  problems.push(...wordProblems(snapshot.random), ...stateProblems(snapshot.state, names));
  problems.push(...nested("allocation", snapshot.allocation, allocationProblems));
  problems.push(...nested("environment", snapshot.environment, environmentProblems));
  return problems;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function wordProblems(words: unknown): string[] {
  const valid =
    Array.isArray(words) &&
    words.length === 4 &&
    words.every((word) => isCount(word) && word < 0x1_0000_0000);
  return valid ? [] : ["random: is not four 32-bit words"];
}

function noiseProblems({ format, noise, partitionNoise }: CellSnapshot): string[] {
  const expected = format === SNAPSHOT_FORMAT_EXPRESSION ? "expression" : undefined;
  if (noise !== expected) return [`noise: is not ${expected ?? "absent"}, as format ${format} has it`];
  return expected === undefined || partitionNoise ? [] : ["partitionNoise: is not true, as format 3 has it"];
}

function genesProblems({ format, genes }: CellSnapshot): string[] {
  if (format === SNAPSHOT_FORMAT_EXPRESSION && genes === undefined) return [];
  if (format === SNAPSHOT_FORMAT)
    return genes === undefined ? [] : [`genes: are not part of format ${format}`];
  const problems = geneProblems(genes).map(({ path, message }) => `${path}: ${message}`);
  return Array.isArray(genes) && genes.length === 0 ? ["genes: is an empty list"] : problems;
}

function stateProblems(state: unknown, names: readonly string[] | undefined): string[] {
  if (names === undefined) return [];
  if (!Array.isArray(state) || state.length !== names.length)
    return [`state: is not ${names.length} numbers`];
  return state.flatMap((value, i) =>
    Number.isFinite(value) && value >= 0 ? [] : [`state.${names[i]}: is not a number of 0 or more`],
  );
}

function nested<T>(path: string, value: T, problemsOf: (value: T) => string[]): string[] {
  if (typeof value !== "object" || value === null) return [`${path}: is not an object`];
  return problemsOf(value).map((problem) => `${path}.${problem}`);
}
