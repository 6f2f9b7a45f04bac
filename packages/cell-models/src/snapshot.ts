/**
 * A cell at a quantum boundary as plain JSON data: exactly the state that determines its future.
 *
 * Numbers are doubles. JSON writes the shortest text that reads back as the same double. A cell that is restored from
 * text therefore continues bit for bit like an uninterrupted cell. The solver's step length is included, because it
 * determines where the next steps end. A snapshot is external input from a store, and is validated before use.
 */
import { allocationProblems, type CellAllocation, environmentProblems } from "./allocation.ts";
import { type BiologicalType, biologicalTypes, type ParameterSetName, parameterSets } from "./cell-types.ts";
import type { RandomState } from "./random.ts";
import { STATE_NAMES, STATE_SIZE } from "./state.ts";
import type { Surroundings } from "./weisse.ts";

/**
 * Version of the snapshot format. It changes when the order or meaning of `state` changes; a snapshot of another format
 * is rejected.
 */
export const SNAPSHOT_FORMAT = 1;

/**
 * Snapshot of one cell. It is a type alias and not an interface, because it must be assignable to `ModelSnapshot`. That
 * type has an index signature, and TypeScript assigns no interface to such a type.
 */
export type CellSnapshot = {
  readonly format: typeof SNAPSHOT_FORMAT;
  readonly biologicalType: BiologicalType;
  readonly parameterSet: ParameterSetName;
  readonly allocation: CellAllocation;
  readonly environment: Readonly<Surroundings>;
  readonly partitionNoise: boolean;
  readonly random: Readonly<RandomState>;
  /** The state variables in the order of `STATE_NAMES`. */
  readonly state: readonly number[];
  readonly stepMinutes: number;
  readonly simMinutes: number;
  readonly divisions: number;
};

/**
 * Returns one sentence per problem of the snapshot, each starting with the path of the field. Empty if a cell can be
 * restored from the snapshot.
 */
export function snapshotProblems(snapshot: CellSnapshot): string[] {
  if (typeof snapshot !== "object" || snapshot === null) return ["snapshot: is not an object"];
  if (snapshot.format !== SNAPSHOT_FORMAT) {
    return [`format: ${snapshot.format} is not ${SNAPSHOT_FORMAT}, the only one this version reads`];
  }
  const problems: string[] = [];
  if (!biologicalTypes.includes(snapshot.biologicalType)) problems.push("biologicalType: is not known");
  if (!parameterSets.includes(snapshot.parameterSet)) problems.push("parameterSet: is not known");
  if (typeof snapshot.partitionNoise !== "boolean") problems.push("partitionNoise: is not a boolean");
  if (!isCount(snapshot.simMinutes)) problems.push("simMinutes: is not an integer of 0 or more");
  if (!isCount(snapshot.divisions)) problems.push("divisions: is not an integer of 0 or more");
  if (!(Number.isFinite(snapshot.stepMinutes) && snapshot.stepMinutes > 0)) {
    problems.push("stepMinutes: is not a number above 0");
  }
  problems.push(...wordProblems(snapshot.random), ...stateProblems(snapshot.state));
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

function stateProblems(state: unknown): string[] {
  if (!Array.isArray(state) || state.length !== STATE_SIZE) return [`state: is not ${STATE_SIZE} numbers`];
  return state.flatMap((value, i) =>
    Number.isFinite(value) && value >= 0 ? [] : [`state.${STATE_NAMES[i]}: is not a number of 0 or more`],
  );
}

function nested<T>(path: string, value: T, problemsOf: (value: T) => string[]): string[] {
  if (typeof value !== "object" || value === null) return [`${path}: is not an object`];
  return problemsOf(value).map((problem) => `${path}.${problem}`);
}
