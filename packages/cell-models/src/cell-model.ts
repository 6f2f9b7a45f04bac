/**
 * The port between the basic driver and a cell model. Another model replaces the built-in one by implementing this
 * interface.
 *
 * A model must be deterministic: the state of a cell depends only on its boot options, its later inputs and the
 * computed minutes. One thread of the agent computes each quantum of all guests in turn, so 1 ms per quantum is slow.
 * If the computation of a quantum throws, the guest of that cell fails; the reason is the message of the error.
 * `cellModelContract` of `@bioxen/testkit` tests these requirements.
 */
import type { CellAllocation, CellEnvironment } from "./allocation.ts";
import { Cell, type CellOptions, type CellSample } from "./cell.ts";
import type { CellSnapshot } from "./snapshot.ts";
import { STATE_NAMES, type StateVariable, variablesOf } from "./state.ts";

export type { StateVariable } from "./state.ts";

/** An environment in which every field has a value. */
export type Medium = Readonly<Record<keyof CellEnvironment, number>>;

/** One cell. The members have the same meaning as those of {@link Cell}. */
export interface LivingCell {
  readonly simMinutes: number;
  readonly allocation: CellAllocation;
  readonly environment: Medium;
  /** Computes `minutes` whole simulated minutes of the cell. Returns the number of divisions during these minutes. */
  advance(minutes: number): number;
  /** Returns a measurement of the cell without changing the cell. Every value is a finite number or null. */
  sample(): CellSample;
  /** Replaces the allocation. Throws a `RangeError` that lists every problem; the cell is then unchanged. */
  setAllocation(allocation: CellAllocation): void;
  /** Replaces the environment. Throws a `RangeError` that lists every problem; the cell is then unchanged. */
  setEnvironment(environment: CellEnvironment): void;
  /**
   * Returns the values of {@link CellModel.stateVariables}, in their order. Called for every recorded minute. Present if
   * the model names state variables.
   */
  stateValues?(): readonly number[];
  /** The state variables of this cell, if it has others than {@link CellModel.stateVariables}. */
  readonly stateVariables?: readonly StateVariable[] | undefined;
  /** Returns plain JSON from which {@link CellModel.restore} makes a cell that continues exactly like this one. */
  snapshot(): ModelSnapshot;
}

/**
 * A snapshot of any model. These fields are common to all models and prevent a restore into another kind of cell; each
 * model defines further fields.
 */
export type ModelSnapshot = Pick<CellSnapshot, "biologicalType" | "parameterSet" | "partitionNoise"> &
  Readonly<Record<string, unknown>>;

export interface CellModel {
  /**
   * Name of the model, made of a-z, 0-9 and '-'. Every checkpoint contains it, except those of the built-in model; a
   * model rejects the checkpoints of another model.
   */
  readonly name: string;
  /**
   * Version of the model. It must increase when a change makes equal inputs give a different cell. Every checkpoint
   * contains it, except those of the built-in model, whose versions continue the cells of each other.
   */
  readonly version: number;
  /** The state variables that time courses record; absent: none. */
  readonly stateVariables?: readonly StateVariable[] | undefined;
  /** Makes a new cell. Throws a `RangeError` that lists every problem of the options. */
  boot(options: CellOptions): LivingCell;
  /**
   * Restores the cell of a snapshot; with a `seed`, its random sequence restarts from that seed. A snapshot is external
   * input, so the model validates it: throws a `RangeError` that lists every problem.
   */
  restore(snapshot: ModelSnapshot, options: { readonly seed?: number | undefined }): LivingCell;
}

/**
 * The built-in model: the cell of Weiße et al. 2015, whose growth the allocation limits. Version 2 has the same equations
 * as version 1 and a solver of higher order, so that its courses differ from the fifth digit on.
 */
export const WEISSE: CellModel = {
  name: "weisse",
  version: 2,
  stateVariables: variablesOf(STATE_NAMES),
  boot: (options) => Cell.boot(options),
  restore: (snapshot, options) => Cell.restore(snapshot as CellSnapshot, options),
};

/** Returns every reason why `value` is not a valid cell model; the list is empty for a valid model. */
export function cellModelProblems(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return ["is not an object"];
  const { name, version, boot, restore } = value as Partial<CellModel>;
  const problems: string[] = [];
  if (typeof name !== "string" || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) {
    problems.push("name: is not of a-z, 0-9 and '-', 63 characters at most");
  } else if (name === WEISSE.name) problems.push(`name: ${name} is the built-in model's`);
  if (!(Number.isSafeInteger(version) && (version as number) >= 1)) {
    problems.push("version: is not an integer of 1 or more");
  }
  if (typeof boot !== "function") problems.push("boot: is not a function");
  if (typeof restore !== "function") problems.push("restore: is not a function");
  return problems;
}
