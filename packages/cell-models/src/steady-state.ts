/**
 * The steady state of a cell under constant conditions. It is the prediction for an allocation, and the initial state
 * of a VM.
 *
 * The cell is integrated from the reference state of its type, under its allocation and environment, until λ has
 * settled. The solver needs one step per quantum for a cell at rest, so the integration takes milliseconds. Unlike a
 * root finder, the integration cannot reach false steady states. The reference state of each parameter set is computed
 * once per process.
 *
 * Not every cell settles. With much chloramphenicol and poor nutrient, energy and transcription oscillate forever, with
 * a period of hours. Such a cell is integrated until `MAX_PERIODS` or `MAX_STEPS` is reached. A VM of such a cell
 * starts in the phase of the oscillation at which the integration stopped.
 *
 * A cell that cannot grow (no ATP, no ribosomes) is integrated until λ has vanished. The cell stays alive in that
 * state, and resumes growth when its allocation changes.
 */
import { type CellAllocation, type CellEnvironment, limitsOf, surroundingsOf } from "./allocation.ts";
import { type BiologicalType, type CellType, cellTypeOf, type ParameterSetName } from "./cell-types.ts";
import { circuitOf, outputsOf, withGenes } from "./circuit.ts";
import type { GeneSpec } from "./genes.ts";
import { createSolver, FIRST_STEP_MINUTES } from "./solver.ts";
import { A, createState, E_M, E_T, GENERATIONS, Q, R, STATE_SIZE, type StateVector } from "./state.ts";
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

/** ATP consumed per elongated amino acid: 2 for the charged tRNA, 2 GTP at the ribosome. */
const ATP_PER_AMINO_ACID = 4;
const SECONDS_PER_MINUTE = 60;

/**
 * Largest relative change of λ per period at which λ counts as settled. The change must stay within this limit for
 * `SETTLED_PERIODS` consecutive periods.
 */
const SETTLED_CHANGE = 1e-10;
/**
 * Largest change of an amount of a gene per period at which it counts as settled, relative to the amount plus one
 * molecule. A gene with little burden moves long after λ has settled.
 */
const SETTLED_GENE_CHANGE = 1e-8;
/**
 * Number of consecutive periods in which λ must be settled. One period is not enough, because λ is also momentarily
 * constant at a turning point.
 */
const SETTLED_PERIODS = 3;
/**
 * Shortest period between two checks of λ, minutes. A period is one time constant of dilution, 1/λ, but never shorter
 * than this number. mRNA and energy settle within the shortest period.
 */
const SHORTEST_PERIOD = 60;
/**
 * The fraction of the reference rate below which a cell counts as not growing: its doubling would take over 70 000
 * years.
 */
const VANISHED = 1e-9;
/**
 * Upper limit of a doubling time, minutes (1900 years). A cell with a longer doubling time counts as not growing: its λ
 * is a tiny remainder that is still decaying to zero.
 */
const LONGEST_DOUBLING = 1e9;
/**
 * Maximum number of periods that a cell is integrated. The slowest of 1500 random conditions takes 94. A cell that has
 * not settled after the maximum is reported as not settled.
 */
const MAX_PERIODS = 200;
/**
 * Maximum number of solver steps of a boot. This number of steps takes about 65 ms. The slowest of 1500 random conditions
 * that settles takes 17 700 steps. A cell with genes has fewer, because its steps take longer: the number falls with the
 * square of the number of variables.
 */
const MAX_STEPS = 20_000;

export interface SteadyStateOptions {
  readonly biologicalType: BiologicalType;
  readonly parameterSet?: ParameterSetName | undefined;
  /**
   * Allocation of the cell; default: the full demand of the type. A resource that is absent in a given allocation is 0.
   */
  readonly allocation?: CellAllocation | undefined;
  readonly environment?: CellEnvironment | undefined;
  /** Genes of a circuit; default none. They start with the amounts of a new cell, so the state is the one it settles in. */
  readonly genes?: readonly GeneSpec[] | undefined;
}

export interface SteadyState {
  readonly growthRatePerMinute: number;
  /** Doubling time, minutes; null if the cell does not grow. */
  readonly doublingTimeMinutes: number | null;
  /** Growth relative to the reference rate of the type; it can exceed 1. */
  readonly relativeGrowthRate: number;
  readonly ribosomes: { readonly total: number; readonly engaged: number };
  readonly ribosomalMassFraction: number;
  readonly atpPerSecond: number;
  readonly proteinAminoAcids: number;
  /** Mean elongation rate of an engaged ribosome, amino acids per second. */
  readonly elongationPerSecond: number;
  /**
   * Whether λ settled within the limits of time and work. If false, the cell oscillates, and all figures are momentary.
   */
  readonly settled: boolean;
  /** Amounts of each gene, molecules, as in a sample; absent in a cell without genes. */
  readonly outputs?: Readonly<Record<string, number>>;
}

/** Predicts growth under constant conditions. Throws a `RangeError` that lists every problem of the options. */
export function steadyState(options: SteadyStateOptions): SteadyState {
  const type = cellTypeOf(options.biologicalType, options.parameterSet);
  const circuit = circuitOf(type.parameters, options.genes);
  const model: WeisseModel = {
    parameters: type.parameters,
    surroundings: surroundingsOf(type, options.environment ?? {}),
    limits: limitsOf(type, options.allocation ?? type.fullDemand),
    circuit,
  };
  const reference = referenceState(type);
  const y = circuit === undefined ? reference : withGenes(reference, circuit);
  const settled = settle(model, type, y);
  const p = type.parameters;
  const lambda = growthRate(p, y);
  const engaged = engagedRibosomes(y);
  return {
    growthRatePerMinute: lambda,
    doublingTimeMinutes: doublingTime(lambda),
    relativeGrowthRate: lambda / type.referenceGrowthRate,
    ribosomes: { total: totalRibosomes(y), engaged },
    ribosomalMassFraction: ribosomalMassFraction(p, y, circuit?.genes),
    atpPerSecond: atpPerSecond(p, y),
    proteinAminoAcids: proteinAminoAcids(p, y, circuit?.genes),
    elongationPerSecond: engaged > 0 ? translationRate(p, y) / engaged / SECONDS_PER_MINUTE : 0,
    settled,
    ...(circuit === undefined ? {} : { outputs: outputsOf(circuit, y) }),
  };
}

/**
 * Returns the doubling time, minutes; null if the cell does not grow, or if a doubling takes longer than
 * `LONGEST_DOUBLING`. The result is null and not Infinity, because JSON has no Infinity.
 */
export function doublingTime(growthRatePerMinute: number): number | null {
  const minutes = Math.LN2 / growthRatePerMinute;
  return minutes < LONGEST_DOUBLING ? minutes : null;
}

/** Returns the ATP consumption of translation, molecules per second. */
export function atpPerSecond(p: WeisseParameters, y: StateVector): number {
  return (ATP_PER_AMINO_ACID * translationRate(p, y)) / SECONDS_PER_MINUTE;
}

/**
 * Integrates `y` until λ has settled or vanished, and sets `GENERATIONS` to 0. Returns whether λ settled or vanished
 * within the limits of time and work; if not, `y` is a valid intermediate state.
 */
export function settle(model: WeisseModel, type: CellType, y: StateVector): boolean {
  const settled = growOn(model, type, y);
  y[GENERATIONS] = 0;
  return settled;
}

function growOn(model: WeisseModel, type: CellType, y: StateVector): boolean {
  const solver = createSolver(model);
  let step = FIRST_STEP_MINUTES;
  let stepsLeft = Math.floor((MAX_STEPS * STATE_SIZE * STATE_SIZE) / (y.length * y.length));
  // The first period takes its length from the reference rate, because the λ of an inoculum is zero at first.
  let before = type.referenceGrowthRate;
  let still = 0;
  const genesBefore = y.slice(STATE_SIZE);
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
    const isStill = Math.abs(now - before) <= SETTLED_CHANGE * now && areStill(genesBefore, y);
    still = isStill ? still + 1 : 0;
    if (genesBefore.length > 0) genesBefore.set(y.subarray(STATE_SIZE));
    if (still === SETTLED_PERIODS) return true;
    before = now;
  }
  return false;
}

/** Returns whether no variable of genes has changed by more than `SETTLED_GENE_CHANGE`. */
function areStill(before: Float64Array, y: StateVector): boolean {
  for (let i = 0; i < before.length; i++) {
    const [was, is] = [before[i] as number, y[STATE_SIZE + i] as number];
    if (Math.abs(is - was) > SETTLED_GENE_CHANGE * (1 + Math.abs(is))) return false;
  }
  return true;
}

const references = new Map<CellType, StateVector>();

/** Returns a new copy of the settled state of a type at full demand in its default environment. */
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
 * Returns the state from which the integration starts: protein and energy in about the composition of a growing cell,
 * but no mRNA. This state settles within a few generations.
 *
 * The initial state of the paper (10 ribosomes, 1000 energy, nothing else) needs hundreds of minutes to settle. In a
 * poor medium it never grows, because without enzymes its energy stays at 0.
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
