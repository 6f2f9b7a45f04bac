/**
 * One simulated cell: it boots under an allocation and an environment, advances in quanta of one simulated minute, and
 * divides.
 *
 * A new cell starts in the settled state under its allocation and environment, like an inoculum from a culture under
 * the same conditions. The genes of a circuit enter it at minute 0. Afterwards only noise makes a variable jump: a new
 * allocation or environment changes the rates. Energy responds within seconds, ribosomes over a generation or more.
 *
 * The quantum is fixed, because the sixth digit of a result depends on the times at which the solver's intervals end.
 * With a fixed quantum, sixty calls of one minute and one call of sixty minutes give the same cell. Cells share no
 * mutable state.
 */
import {
  type CellAllocation,
  type CellEnvironment,
  limitsOf,
  sameNumbers,
  surroundingsOf,
} from "./allocation.ts";
import { type CellNoise, type CellOptions, noiseOf, requireChance } from "./cell-options.ts";
import type { CellSample } from "./cell-sample.ts";
import { type BiologicalType, type CellType, cellTypeOf } from "./cell-types.ts";
import { type Circuit, circuitOf, outputsOf, withGenes } from "./circuit.ts";
import { ExpressionNoise } from "./expression-noise.ts";
import { partition } from "./partition.ts";
import { type RandomState, randomAge, seedRandom } from "./random.ts";
import type { Rosenbrock } from "./rosenbrock.ts";
import {
  type CellSnapshot,
  SNAPSHOT_FORMAT,
  SNAPSHOT_FORMAT_EXPRESSION,
  SNAPSHOT_FORMAT_GENES,
  snapshotProblems,
} from "./snapshot.ts";
import { createSolver, FIRST_STEP_MINUTES } from "./solver.ts";
import {
  A,
  createState,
  GENERATIONS,
  STATE_NAMES,
  type StateVariable,
  type StateVector,
  variablesOf,
} from "./state.ts";
import { atpPerSecond, doublingTime, referenceState, settle } from "./steady-state.ts";
import {
  engagedRibosomes,
  growthRate,
  type Limits,
  proteinAminoAcids,
  ribosomalMassFraction,
  type Surroundings,
  totalRibosomes,
  type WeisseModel,
} from "./weisse.ts";

/**
 * Length of a quantum of simulated time, minutes. A shorter quantum costs more; a longer one delays new allocations.
 */
export const QUANTUM_MINUTES = 1;
/**
 * The largest argument of `advance`, minutes: about two simulated years, which take seconds to compute. A larger
 * argument is probably a unit error.
 */
export const MAX_ADVANCE_MINUTES = 1_000_000;

interface CellParts {
  readonly type: CellType;
  readonly circuit: Circuit | undefined;
  readonly allocation: CellAllocation;
  readonly limits: Limits;
  readonly surroundings: Surroundings;
  readonly state: StateVector;
  readonly random: RandomState;
  readonly noise: CellNoise;
  readonly stepMinutes: number;
  readonly simMinutes: number;
  readonly divisions: number;
}

export class Cell {
  readonly #type: CellType;
  readonly #model: { -readonly [K in keyof WeisseModel]: WeisseModel[K] };
  readonly #solver: Rosenbrock<StateVector>;
  readonly #state: StateVector;
  readonly #before: StateVector;
  readonly #random: RandomState;
  readonly #noise: CellNoise;
  readonly #expression: ExpressionNoise | undefined;
  /**
   * Called at each division with the snapshot of the second daughter, which has no past divisions, and with the number of
   * divisions of this cell. The cell goes on as the first daughter. Its course does not depend on this function.
   */
  onSecondDaughter?(daughter: CellSnapshot, division: number): void;
  #allocation: CellAllocation;
  #stepMinutes: number;
  #simMinutes: number;
  #divisions: number;

  private constructor(parts: CellParts) {
    this.#type = parts.type;
    this.#model = {
      parameters: parts.type.parameters,
      surroundings: parts.surroundings,
      limits: parts.limits,
      circuit: parts.circuit,
    };
    this.#solver = createSolver(this.#model);
    this.#state = parts.state;
    this.#before = createState(parts.state.length);
    this.#random = parts.random;
    this.#noise = parts.noise;
    this.#expression = parts.noise === "expression" ? new ExpressionNoise(this.#model) : undefined;
    this.#allocation = { ...parts.allocation };
    this.#stepMinutes = parts.stepMinutes;
    this.#simMinutes = parts.simMinutes;
    this.#divisions = parts.divisions;
  }

  /**
   * Makes a cell at minute 0, in its settled state and without past divisions. Takes milliseconds.
   *
   * Throws a `RangeError` for an unknown type, noise or age, or for invalid genes, an invalid allocation or environment. The
   * message then lists every problem of the genes, allocation or environment.
   */
  static boot(options: CellOptions): Cell {
    const type = cellTypeOf(options.biologicalType, options.parameterSet);
    const circuit = circuitOf(type.parameters, options.genes);
    const limits = limitsOf(type, options.allocation);
    const surroundings = surroundingsOf(type, options.environment ?? {});
    requireChance(options);
    const random = seedRandom(options.seed);
    const state = referenceState(type);
    settle({ parameters: type.parameters, surroundings, limits }, type, state);
    if (options.age === "random") state[GENERATIONS] = randomAge(random);
    return new Cell({
      type,
      circuit,
      allocation: options.allocation,
      limits,
      surroundings,
      state: circuit === undefined ? state : withGenes(state, circuit),
      random,
      noise: noiseOf(options),
      stepMinutes: FIRST_STEP_MINUTES,
      simMinutes: 0,
      divisions: 0,
    });
  }

  /**
   * Returns a cell that continues exactly like the cell of the snapshot. Throws a `RangeError` that lists every
   * problem.
   *
   * With a `seed`, the random sequence of the restored cell restarts from that seed. An independent copy (a fork) needs
   * its own seed.
   */
  static restore(snapshot: CellSnapshot, options: { readonly seed?: number | undefined } = {}): Cell {
    const problems = snapshotProblems(snapshot);
    if (problems.length > 0) throw new RangeError(problems.join("; "));
    const type = cellTypeOf(snapshot.biologicalType, snapshot.parameterSet);
    const state = createState(snapshot.state.length);
    state.set(snapshot.state);
    return new Cell({
      type,
      circuit: circuitOf(type.parameters, snapshot.genes),
      allocation: snapshot.allocation,
      limits: limitsOf(type, snapshot.allocation),
      surroundings: surroundingsOf(type, snapshot.environment),
      state,
      random: reseeded(snapshot, options.seed),
      noise: noiseOf(snapshot),
      stepMinutes: snapshot.stepMinutes,
      simMinutes: snapshot.simMinutes,
      divisions: snapshot.divisions,
    });
  }

  get biologicalType(): BiologicalType {
    return this.#type.biologicalType;
  }

  get simMinutes(): number {
    return this.#simMinutes;
  }

  get allocation(): CellAllocation {
    return { ...this.#allocation };
  }

  /** The current environment, with the defaults of the type for absent fields. */
  get environment(): Readonly<Record<keyof CellEnvironment, number>> {
    return { ...this.#model.surroundings };
  }

  /**
   * Computes `minutes` (a whole number of quanta, 0..`MAX_ADVANCE_MINUTES`) and returns the number of divisions.
   *
   * Throws `RangeError` for any other number, and `StepLimitError` if the solver cannot complete a quantum. After a
   * `StepLimitError` the cell is at the end of its last complete quantum.
   */
  advance(minutes: number): number {
    if (!(Number.isInteger(minutes) && minutes >= 0 && minutes <= MAX_ADVANCE_MINUTES)) {
      throw new RangeError(`minutes: ${minutes} is not an integer from 0 to ${MAX_ADVANCE_MINUTES}`);
    }
    const divisionsBefore = this.#divisions;
    for (let i = 0; i < minutes; i += QUANTUM_MINUTES) this.#liveOneQuantum();
    return this.#divisions - divisionsBefore;
  }

  /** Returns a measurement of the cell without changing the cell. Every value is a finite number or null. */
  sample(): CellSample {
    const p = this.#type.parameters;
    const y = this.#state;
    const lambda = growthRate(p, y);
    const { circuit } = this.#model;
    return {
      simMinutes: this.#simMinutes,
      growthRatePerMinute: lambda,
      doublingTimeMinutes: doublingTime(lambda),
      ribosomes: {
        total: totalRibosomes(y),
        engaged: engagedRibosomes(y),
        cap: this.#allocation.ribosomes ?? 0,
      },
      atp: {
        molecules: y[A],
        perSecond: atpPerSecond(p, y),
        capPerSecond: this.#allocation.atpPerSecond ?? 0,
      },
      rnaPolymerases: { cap: this.#allocation.rnaPolymerases ?? 0 },
      proteinAminoAcids: proteinAminoAcids(p, y, circuit?.genes),
      divisions: this.#divisions,
      health: Math.round(100 * Math.min(1, lambda / this.#type.referenceGrowthRate)),
      ribosomalMassFraction: ribosomalMassFraction(p, y, circuit?.genes),
      ...(circuit === undefined ? {} : { outputs: outputsOf(circuit, y) }),
    };
  }

  /** Those of every cell, then those of this cell's genes. */
  get stateVariables(): readonly StateVariable[] {
    return variablesOf([...STATE_NAMES, ...(this.#model.circuit?.variables ?? [])]);
  }

  /** Returns the values of {@link stateVariables}, in new storage. */
  stateValues(): readonly number[] {
    return [...this.#state];
  }

  /**
   * Replaces the whole allocation from the next quantum on. Throws a `RangeError` that lists every problem; the cell is
   * then unchanged.
   */
  setAllocation(allocation: CellAllocation): void {
    const limits = limitsOf(this.#type, allocation);
    this.#allocation = { ...allocation };
    if (sameNumbers(limits, this.#model.limits)) return;
    this.#model.limits = limits;
    this.#stepMinutes = FIRST_STEP_MINUTES;
  }

  /**
   * Replaces the whole environment from the next quantum on; absent fields return to the default of the type.
   *
   * Throws a `RangeError` that lists every problem: a value that is not finite, is below 0, or exceeds
   * `environmentBounds`. The cell is then unchanged.
   */
  setEnvironment(environment: CellEnvironment): void {
    const surroundings = surroundingsOf(this.#type, environment);
    if (sameNumbers(surroundings, this.#model.surroundings)) return;
    this.#model.surroundings = surroundings;
    this.#stepMinutes = FIRST_STEP_MINUTES;
  }

  snapshot(): CellSnapshot {
    const genes = this.#model.circuit?.specs;
    const ofGenes = genes === undefined ? SNAPSHOT_FORMAT : SNAPSHOT_FORMAT_GENES;
    return {
      format: this.#noise === "expression" ? SNAPSHOT_FORMAT_EXPRESSION : ofGenes,
      biologicalType: this.#type.biologicalType,
      parameterSet: this.#type.parameterSet,
      allocation: { ...this.#allocation },
      environment: { ...this.#model.surroundings },
      partitionNoise: this.#noise !== "none",
      ...(this.#noise === "expression" ? { noise: this.#noise } : {}),
      random: [...this.#random],
      state: [...this.#state],
      stepMinutes: this.#stepMinutes,
      simMinutes: this.#simMinutes,
      divisions: this.#divisions,
      ...(genes === undefined ? {} : { genes: structuredClone(genes) }),
    };
  }

  #liveOneQuantum(): void {
    const y = this.#state;
    const random = [...this.#random];
    this.#before.set(y);
    try {
      this.#integrateQuantum();
    } catch (error) {
      y.set(this.#before);
      this.#random.splice(0, random.length, ...random);
      throw error;
    }
    this.#simMinutes += QUANTUM_MINUTES;
    while (y[GENERATIONS] >= Math.LN2) {
      y[GENERATIONS] -= Math.LN2;
      this.#divisions += 1;
      const second = this.onSecondDaughter === undefined ? undefined : createState(y.length);
      second?.set(y);
      if (this.#noise !== "none") partition(y, this.#random, this.#model.limits.ribosomeCap, second);
      if (second !== undefined) {
        this.onSecondDaughter?.({ ...this.snapshot(), state: [...second], divisions: 0 }, this.#divisions);
      }
    }
  }

  /** Computes the equations of one quantum, and in its middle the noise of expression. */
  #integrateQuantum(): void {
    const integrate = (minutes: number) => {
      this.#stepMinutes = this.#solver.integrate(this.#state, minutes, this.#stepMinutes);
    };
    const noise = this.#expression;
    integrate(noise === undefined ? QUANTUM_MINUTES : QUANTUM_MINUTES / 2);
    noise?.add(this.#state, QUANTUM_MINUTES, this.#random);
    if (noise !== undefined) integrate(QUANTUM_MINUTES / 2);
  }
}

function reseeded({ random }: CellSnapshot, seed?: number): RandomState {
  if (seed !== undefined) requireChance({ seed });
  return seed === undefined ? [...random] : seedRandom(seed);
}
