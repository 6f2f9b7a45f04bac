/**
 * The port between the basic driver and what a cell does: a model of one's own takes the place of the built-in one by implementing it.
 *
 * A model is deterministic: what a cell becomes follows from how it was booted, what it was given since, and the minutes it lived, and
 * nothing else. It is called in the agent's thread, a quantum at a time, for every guest: a quantum of a millisecond is slow. What it
 * throws while a cell lives fails that cell's guest, with the message as the reason. `cellModelContract` of `@bioxen/testkit` says all
 * of it as tests.
 */
import type { CellAllocation, CellEnvironment } from "./allocation.ts";
import { Cell, type CellOptions, type CellSample } from "./cell.ts";
import type { CellSnapshot } from "./snapshot.ts";

/** An environment in which everything is said. */
export type Medium = Readonly<Record<keyof CellEnvironment, number>>;

/** One cell. The members mean what those of {@link Cell} mean. */
export interface LivingCell {
  readonly simMinutes: number;
  readonly allocation: CellAllocation;
  readonly environment: Medium;
  /** Lives whole minutes; returns the divisions that happened. */
  advance(minutes: number): number;
  /** Finite numbers and null; changes nothing. */
  sample(): CellSample;
  /** Throws `RangeError` with every problem, changing nothing. */
  setAllocation(allocation: CellAllocation): void;
  /** Throws `RangeError` with every problem, changing nothing. */
  setEnvironment(environment: CellEnvironment): void;
  /** Plain JSON from which {@link CellModel.restore} makes a cell that goes on exactly as this one. */
  snapshot(): ModelSnapshot;
}

/** What every snapshot names, so that none is restored into another kind of cell; the rest is the model's own. */
export type ModelSnapshot = Pick<CellSnapshot, "biologicalType" | "parameterSet" | "partitionNoise"> &
  Readonly<Record<string, unknown>>;

export interface CellModel {
  /** Of a-z, 0-9 and '-'. Stands in every checkpoint: a model refuses those of another. */
  readonly name: string;
  /** Counts up when equal inputs give another cell. Stands in every checkpoint too. */
  readonly version: number;
  /** Throws `RangeError` that lists every problem of the options. */
  boot(options: CellOptions): LivingCell;
  /** With a `seed` its chance starts anew. Throws `RangeError` with every problem: a snapshot comes from outside. */
  restore(snapshot: ModelSnapshot, options: { readonly seed?: number | undefined }): LivingCell;
}

/** The built-in model: Weiße et al. 2015, throttled by the allocation. */
export const WEISSE: CellModel = {
  name: "weisse",
  version: 1,
  boot: (options) => asLiving(Cell.boot(options)),
  restore: (snapshot, options) => asLiving(Cell.restore(snapshot as unknown as CellSnapshot, options)),
};

/** The class says more exactly what its snapshot is. */
function asLiving(cell: Cell): LivingCell {
  return cell as unknown as LivingCell;
}

/** What is wrong with a value that should be a model; empty: it has the form of one. */
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
