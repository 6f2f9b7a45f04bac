/**
 * The port between the basic driver and a cell model. A package with another model implements {@link CellModel}; it is
 * used through {@link hosted}, beside the built-in {@link WEISSE}.
 *
 * A model must be deterministic: the state of a cell depends only on its boot options, its later inputs and the
 * computed minutes. One thread computes each quantum of all guests of a model in turn, so 1 ms per quantum is slow.
 * If the computation of a quantum throws, the guest of that cell fails; the reason is the message of the error.
 * `cellModelContract` of `@bioxen/testkit` tests these requirements.
 */
import type { CellAllocation } from "./allocation.ts";
import { Cell } from "./cell.ts";
import type { CellAge, CellLineage, CellNoise, CellOptions } from "./cell-options.ts";
import type { CellSample } from "./cell-sample.ts";
import type { GeneSpec } from "./genes.ts";
import type { ModelDeclaration } from "./model-declaration.ts";
import type { CellSnapshot } from "./snapshot.ts";
import type { StateVariable } from "./state.ts";
import { WEISSE_DECLARATION } from "./weisse-declaration.ts";

export type { StateVariable } from "./state.ts";

/** Values by the names of declared quantities. */
export type Quantities = Readonly<Record<string, number>>;
/** Fields of an environment; one that is left out has its default. */
export type MediumFields = Readonly<Record<string, number | undefined>>;

/**
 * A measurement of a cell. A model gives the fields that it has: a cell without ribosomes has none, and no reader then
 * shows any. `health` is 0 to 100: how well the cell does, in percent of a cell at full demand.
 */
export type ModelSample = Pick<
  CellSample,
  "simMinutes" | "growthRatePerMinute" | "doublingTimeMinutes" | "divisions" | "health"
> &
  Partial<Omit<CellSample, "outputs">> & {
    /** The value of every declared output. */
    readonly outputs?: Quantities | undefined;
  };

/** One cell. The members have the same meaning as those of {@link Cell}. */
export interface LivingCell {
  readonly simMinutes: number;
  readonly allocation: CellAllocation;
  /** The present value of every field of the environment. */
  readonly environment: Quantities;
  /** Computes `minutes` whole simulated minutes of the cell. Returns the number of divisions during these minutes. */
  advance(minutes: number): number;
  /** Returns a measurement of the cell without changing the cell. Every value is a finite number or null. */
  sample(): ModelSample;
  /** Replaces the allocation. Throws a `RangeError` that lists every problem; the cell is then unchanged. */
  setAllocation(allocation: CellAllocation): void;
  /** Replaces the environment. Throws a `RangeError` that lists every problem; the cell is then unchanged. */
  setEnvironment(environment: MediumFields): void;
  /**
   * Returns the values of {@link ModelDeclaration.stateVariables}, in their order. Called for every recorded minute.
   * Present if the model names state variables.
   */
  stateValues?(): readonly number[];
  /** The state variables of this cell, if it has others than those of its model. */
  readonly stateVariables?: readonly StateVariable[] | undefined;
  /** Returns plain JSON from which the model's `restore` makes a cell that continues exactly like this one. */
  snapshot(): Readonly<Record<string, unknown>>;
}

/**
 * A snapshot of any model. These fields are common to all models and prevent a restore into another kind of cell; each
 * model defines further fields.
 */
export type ModelSnapshot = Pick<CellSnapshot, "partitionNoise"> & {
  readonly biologicalType: string;
  readonly parameterSet: string;
  /** The value of every parameter; absent in the built-in model, which has none. */
  readonly parameters?: Quantities | undefined;
} & Readonly<Record<string, unknown>>;

/** What a model boots a cell with. Every value is valid by the declaration of the model, and none is left out. */
export interface ModelOptions {
  readonly biologicalType: string;
  readonly parameterSet: string;
  readonly parameters: Quantities;
  readonly environment: Quantities;
  /** Amounts of resources, integers. An absent resource is 0. */
  readonly allocation: CellAllocation;
  /** Seed of the cell's random numbers: a safe integer of at least 0. */
  readonly seed: number;
}

export interface RestoreOptions {
  readonly seed?: number | undefined;
}

/** A cell model as a package exports it. */
export interface CellModel extends ModelDeclaration {
  boot(options: ModelOptions): LivingCell;
  /**
   * Restores the cell of a snapshot; with a `seed`, its random sequence restarts from that seed. A snapshot is external
   * input, so the model validates its own fields: throws a `RangeError` that lists every problem.
   */
  restore(snapshot: ModelSnapshot, options: RestoreOptions): LivingCell;
}

/** What a user says of a new cell. What is left out has its default. */
export interface BootOptions {
  readonly biologicalType: string;
  readonly parameterSet?: string | undefined;
  readonly parameters?: Quantities | undefined;
  readonly environment?: Quantities | undefined;
  readonly allocation: CellAllocation;
  readonly seed: number;
  /** Only for the built-in model. */
  readonly noise?: CellNoise | undefined;
  /** Only for the built-in model. */
  readonly partitionNoise?: boolean | undefined;
  /** Only for the built-in model. */
  readonly age?: CellAge | undefined;
  /** Only for the built-in model; the driver keeps the second daughters of `both`. */
  readonly lineage?: CellLineage | undefined;
  /** Only for the built-in model. */
  readonly genes?: readonly GeneSpec[] | undefined;
}

/** A cell of a {@link HostedModel}. */
export interface HostedCell extends LivingCell {
  snapshot(): ModelSnapshot;
  /** As of {@link Cell}; only the built-in model calls it. */
  onSecondDaughter?(daughter: ModelSnapshot, division: number): void;
}

/** A model as a driver uses it. It validates what it gets, and throws a `RangeError` that lists every problem. */
export interface HostedModel extends ModelDeclaration {
  boot(options: BootOptions): HostedCell;
  restore(snapshot: ModelSnapshot, options: RestoreOptions): HostedCell;
}

/**
 * The built-in model: the cell of Weiße et al. 2015, whose growth the allocation limits. Version 2 has the same equations
 * as version 1 and a solver of higher order, so that its courses differ from the fifth digit on.
 */
export const WEISSE: HostedModel = {
  ...WEISSE_DECLARATION,
  // The cell validates its options, so the names of types and sets are cast unchecked.
  boot: (options) => Cell.boot(options as CellOptions),
  restore: (snapshot, options) => Cell.restore(snapshot as CellSnapshot, options),
};
