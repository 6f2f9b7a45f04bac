/**
 * The port between the basic driver and a cell model. Another model replaces the built-in one by implementing this interface.
 *
 * A model is deterministic: the state of a cell depends only on its boot options, its later inputs and the computed minutes. The
 * agent's thread calls it one quantum at a time for every guest, so 1 ms per quantum is slow. An exception during a quantum fails
 * the guest of that cell, with the message as the reason. `cellModelContract` of `@bioxen/testkit` tests these requirements.
 */
import type { CellAllocation, CellEnvironment } from "./allocation.ts";
import { Cell, type CellOptions, type CellSample } from "./cell.ts";
import type { CellSnapshot } from "./snapshot.ts";

/** An environment with all fields. */
export type Medium = Readonly<Record<keyof CellEnvironment, number>>;

/** One cell. The members have the same meaning as those of {@link Cell}. */
export interface LivingCell {
  readonly simMinutes: number;
  readonly allocation: CellAllocation;
  readonly environment: Medium;
  /** Computes whole minutes; returns the number of divisions. */
  advance(minutes: number): number;
  /** Returns finite numbers and null, without changing the cell. */
  sample(): CellSample;
  /** Throws `RangeError` with every problem, changing nothing. */
  setAllocation(allocation: CellAllocation): void;
  /** Throws `RangeError` with every problem, changing nothing. */
  setEnvironment(environment: CellEnvironment): void;
  /** Returns plain JSON from which {@link CellModel.restore} makes a cell that continues exactly like this one. */
  snapshot(): ModelSnapshot;
}

/** The fields of every snapshot, which prevent a restore into another kind of cell; each model defines the rest. */
export type ModelSnapshot = Pick<CellSnapshot, "biologicalType" | "parameterSet" | "partitionNoise"> &
  Readonly<Record<string, unknown>>;

export interface CellModel {
  /** The name, of a-z, 0-9 and '-'. Every checkpoint contains it, and a model rejects checkpoints of another. */
  readonly name: string;
  /** The version; it increases when equal inputs give a different cell. Every checkpoint contains it. */
  readonly version: number;
  /** Makes a cell. Throws a `RangeError` that lists every problem of the options. */
  boot(options: CellOptions): LivingCell;
  /** Restores a cell; with a `seed` its random sequence restarts. Throws a `RangeError` with every problem, because a snapshot is external input. */
  restore(snapshot: ModelSnapshot, options: { readonly seed?: number | undefined }): LivingCell;
}

/** The built-in model: Weiße et al. 2015, throttled by the allocation. */
export const WEISSE: CellModel = {
  name: "weisse",
  version: 1,
  boot: (options) => Cell.boot(options),
  restore: (snapshot, options) => Cell.restore(snapshot as CellSnapshot, options),
};

/** Returns every way in which `value` does not have the form of a model; empty if it is valid. */
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
