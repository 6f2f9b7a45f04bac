/**
 * Where a cell ends when nothing changes any more: the prediction for an allocation, and the state a VM starts from.
 *
 * The cell is simply grown on, from the type's reference state, under its allocation and environment, until λ has
 * settled. The solver crosses a resting cell in one step, so this takes milliseconds, and it cannot land on the false steady
 * states that a root finder would also find. The reference state of each parameter set is computed once per process.
 *
 * Not every cell comes to rest: under much chloramphenicol on poor nutrient, energy and transcription swing with a period
 * of hours for ever. Such a cell is grown for as long as a boot may take and starts somewhere in its swing.
 *
 * A cell that cannot grow (no ATP, no ribosomes) has no culture it could come from: it is grown until λ has vanished and
 * left there, alive and ready to go on when it is given something.
 */
import { type CellAllocation, type CellEnvironment, limitsOf, surroundingsOf } from "./allocation.ts";
import { type BiologicalType, type CellType, cellTypeOf, type ParameterSetName } from "./cell-types.ts";
import { createSolver, FIRST_STEP_MINUTES } from "./solver.ts";
import { A, createState, E_M, E_T, GENERATIONS, Q, R, type StateVector } from "./state.ts";
import { StepLimitError } from "./step-limit-error.ts";
import {
  engagedRibosomes,
  growthRate,
  proteinAminoAcids,
  ribosomalMassFraction,
  totalRibosomes,
  translationRate,
  type WeisseModel,
  type WeisseParameters,
} from "./weisse.ts";

/** ATP spent per amino acid elongated: 2 for the charged tRNA, 2 GTP at the ribosome. */
const ATP_PER_AMINO_ACID = 4;
const SECONDS_PER_MINUTE = 60;

/** λ has settled when it changes by less than this, relative, in each of `SETTLED_PERIODS` periods in a row. */
const SETTLED_CHANGE = 1e-10;
/** More than one, because λ also stands still for a moment where it turns. */
const SETTLED_PERIODS = 3;
/** A period is one time constant of dilution, 1/λ, but at least this, minutes: mRNA and energy have settled by then. */
const SHORTEST_PERIOD = 60;
/** Below this part of the reference rate a cell counts as not growing: a doubling takes longer than 70 000 years. */
const VANISHED = 1e-9;
/** Minutes, 1900 years; beyond it λ is the rest of an exponential decay and no growth. */
const LONGEST_DOUBLING = 1e9;
/** The slowest approach found among 1500 random conditions takes 94; what has not settled by then is reported so. */
const MAX_PERIODS = 200;
/** Solver steps, about 45 ms: the bound on what a boot costs. What settles at all was found to need 9200 at most. */
const MAX_STEPS = 20_000;

export interface SteadyStateOptions {
  readonly biologicalType: BiologicalType;
  readonly parameterSet?: ParameterSetName | undefined;
  /** Default: the type's full demand. A name that is absent in a given allocation is 0. */
  readonly allocation?: CellAllocation | undefined;
  readonly environment?: CellEnvironment | undefined;
}

export interface SteadyState {
  readonly growthRatePerMinute: number;
  /** null when the cell does not grow. */
  readonly doublingTimeMinutes: number | null;
  /** Share of the type's reference growth rate, not bounded by 1. */
  readonly relativeGrowthRate: number;
  readonly ribosomes: { readonly total: number; readonly engaged: number };
  readonly ribosomalMassFraction: number;
  readonly atpPerSecond: number;
  readonly proteinAminoAcids: number;
  /** Amino acids per second and engaged ribosome. */
  readonly elongationPerSecond: number;
  /** False when λ still moved at the bound of time or work: it swings, and all figures are those of one instant. */
  readonly settled: boolean;
}

/** Predicts growth under constant conditions. Throws `RangeError` that lists what is wrong with the options. */
export function steadyState(options: SteadyStateOptions): SteadyState {
  const type = cellTypeOf(options.biologicalType, options.parameterSet);
  const model: WeisseModel = {
    parameters: type.parameters,
    surroundings: surroundingsOf(type, options.environment ?? {}),
    limits: limitsOf(type, options.allocation ?? type.fullDemand),
  };
  const y = referenceState(type);
  const settled = settle(model, type, y);
  const p = type.parameters;
  const lambda = growthRate(p, y);
  const engaged = engagedRibosomes(y);
  return {
    growthRatePerMinute: lambda,
    doublingTimeMinutes: doublingTime(lambda),
    relativeGrowthRate: lambda / type.referenceGrowthRate,
    ribosomes: { total: totalRibosomes(y), engaged },
    ribosomalMassFraction: ribosomalMassFraction(p, y),
    atpPerSecond: atpPerSecond(p, y),
    proteinAminoAcids: proteinAminoAcids(p, y),
    elongationPerSecond: engaged > 0 ? translationRate(p, y) / engaged / SECONDS_PER_MINUTE : 0,
    settled,
  };
}

/** Minutes per doubling; null when the cell does not grow (JSON knows no Infinity), or takes millennia. */
export function doublingTime(growthRatePerMinute: number): number | null {
  const minutes = Math.LN2 / growthRatePerMinute;
  return minutes < LONGEST_DOUBLING ? minutes : null;
}

/** ATP molecules per second that translation spends. */
export function atpPerSecond(p: WeisseParameters, y: StateVector): number {
  return (ATP_PER_AMINO_ACID * translationRate(p, y)) / SECONDS_PER_MINUTE;
}

/**
 * Grows `y` on until λ has settled or vanished, and leaves `GENERATIONS` at 0.
 *
 * False when neither happened within the bounds of time and work; `y` is then a sound state on its way.
 */
export function settle(model: WeisseModel, type: CellType, y: StateVector): boolean {
  const settled = growOn(model, type, y);
  y[GENERATIONS] = 0;
  return settled;
}

function growOn(model: WeisseModel, type: CellType, y: StateVector): boolean {
  const solver = createSolver(model);
  let step = FIRST_STEP_MINUTES;
  let stepsLeft = MAX_STEPS;
  // Not that of `y`: an inoculum does not grow in its first moment.
  let before = type.referenceGrowthRate;
  let still = 0;
  for (let period = 0; period < MAX_PERIODS; period++) {
    try {
      step = solver.integrate(y, Math.max(SHORTEST_PERIOD, 1 / before), step, stepsLeft);
    } catch (error) {
      if (error instanceof StepLimitError) return false;
      throw error;
    }
    stepsLeft -= solver.steps;
    y[GENERATIONS] = 0;
    const now = growthRate(model.parameters, y);
    if (now < VANISHED * type.referenceGrowthRate) return true;
    still = Math.abs(now - before) <= SETTLED_CHANGE * now ? still + 1 : 0;
    if (still === SETTLED_PERIODS) return true;
    before = now;
  }
  return false;
}

const references = new Map<CellType, StateVector>();

/** A fresh copy of the settled state of a type under full demand in its default environment. */
export function referenceState(type: CellType): StateVector {
  let reference = references.get(type);
  if (reference === undefined) {
    reference = inoculum(type.parameters);
    const model = {
      parameters: type.parameters,
      surroundings: type.surroundings,
      limits: limitsOf(type, type.fullDemand),
    };
    if (!settle(model, type, reference)) {
      throw new Error(
        `invariant: ${type.biologicalType}/${type.parameterSet} has no steady state at full demand`,
      );
    }
    references.set(type, reference);
  }
  const copy = createState();
  copy.set(reference);
  return copy;
}

/**
 * A cell with protein and energy but no mRNA, roughly composed like a growing one; it settles within a few generations.
 *
 * The initial state of the paper (10 ribosomes, 1000 energy, nothing else) takes hundreds of minutes and does not start at
 * all on poor media: without enzymes, energy 0 is a dead end.
 */
function inoculum(p: WeisseParameters): StateVector {
  const y = createState();
  y[R] = (0.2 * p.mass) / p.ribosomeLength;
  y[E_T] = (0.02 * p.mass) / p.proteinLength;
  y[E_M] = (0.02 * p.mass) / p.proteinLength;
  y[Q] = (0.76 * p.mass) / p.proteinLength;
  y[A] = p.elongationEnergy;
  return y;
}
