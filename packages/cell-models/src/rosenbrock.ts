/**
 * Adaptive Rosenbrock method of order 3 with an embedded solution of order 2 (RODAS3: Sandu, Verwer, Blom, Spee,
 * Carmichael & Potra, Atmospheric Environment 31:3459, 1997), for stiff autonomous equations (rates without explicit
 * time). The difference of the two solutions is the estimate of the error.
 *
 * One step costs four rate evaluations, one Jacobian, one factorisation and four solves. Both solutions are L-stable: a
 * cell at rest needs one step per quantum, however stiff its equations are. An explicit method needs about 1e5 steps
 * per minute here. A semi-implicit method with a fixed step has errors of several percent after a change of conditions.
 *
 * Two rules keep the solution in the valid region of the equations. A step that leaves the region is rejected like an
 * inaccurate step, because the equations have false attractors at negative amounts. A variable that falls below zero by
 * less than the tolerance is set to zero. Otherwise a variable that decays to zero would keep the steps as short as its
 * own time scale.
 *
 * Reproducibility: the solver uses only + − × ÷, comparisons and `Math.abs/min/max`, which are exact or correctly
 * rounded everywhere. The step control uses a table instead of a cube root. The result depends on the
 * times at which quanta end, and on the step length that one quantum passes to the next. The length of a quantum is
 * therefore fixed, and the step length is part of the snapshot.
 */
import { LuFactorisation } from "./linear.ts";
import { StepLimitError } from "./step-limit-error.ts";

/** The coefficient γ of the method: the matrix of a step of length h is I − γh·J. It is 1/2, so γh has no rounding. */
const DIAGONAL = 0.5;
/** The coefficient c43 = −8/3 of the method times γ: the weight of the third stage in the equation of the fourth. */
const THIRD_IN_FOURTH = -1.3333333333333333;
/**
 * Factors by which the step length may change from one step to the next. They are multiples of 1/8, so that no rounding
 * depends on the platform.
 */
const STEP_FACTORS = [4, 3, 2.25, 1.75, 1.375, 1.125, 1, 0.875, 0.75, 0.5, 0.25] as const;
/**
 * The step factor if the smallest of `STEP_FACTORS` still predicts too large an error, or if the step left the valid
 * region.
 */
const COLLAPSE = 0.125;
/** The largest factor after a rejected step. It is below 1, because the next attempt must use a shorter step. */
const LARGEST_AFTER_REFUSAL = 0.75;
/**
 * Target of the step control: the predicted error of the next step ÷ tolerance. A target closer to 1 gives longer
 * steps, but the additional rejected steps cost more than the longer steps save.
 */
const AIM = 0.6;
/**
 * Default limit of steps per call, accepted and rejected ones together. In a test with random changes across all
 * allocations and environments, every simulated minute takes under 2 000 steps. A call that needs more steps than the
 * limit indicates an error in the equations.
 */
export const MAX_STEPS_PER_QUANTUM = 20_000;

export interface StiffSystem<State extends Float64Array> {
  readonly size: number;
  /** Writes dy/dt, the rates of change at the state `y`, into `out`. */
  rates(y: State, out: State): void;
  /** Writes the size×size matrix ∂(dy/dt)/∂y, row-major, into `out`. */
  jacobian(y: State, out: Float64Array): void;
  /** Returns whether a step from the state `from` may end at the state `to`. Must return false if `to` contains NaN. */
  admissible(from: State, to: State): boolean;
}

export interface Tolerance {
  /** Allowed error per step, as a fraction of the value of the variable. */
  readonly relative: number;
  /**
   * Allowed absolute error per step: one value for each variable, in the unit of that variable. A variable that falls
   * below zero by less than its allowed error is set to zero.
   */
  readonly absolute: Float64Array;
}

/** A solver for one system, with reusable work arrays. No integration depends on an earlier call. */
export class Rosenbrock<State extends Float64Array> {
  readonly #system: StiffSystem<State>;
  readonly #tolerance: Tolerance;
  readonly #jacobian: Float64Array;
  readonly #lu: LuFactorisation;
  readonly #f0: State;
  readonly #stageRates: State;
  readonly #endRates: State;
  readonly #u1: State;
  readonly #u2: State;
  readonly #u3: State;
  readonly #u4: State;
  readonly #next: State;
  #steps = 0;

  constructor(system: StiffSystem<State>, tolerance: Tolerance, create: () => State) {
    this.#system = system;
    this.#tolerance = tolerance;
    this.#jacobian = new Float64Array(system.size * system.size);
    this.#lu = new LuFactorisation(system.size);
    this.#f0 = create();
    this.#stageRates = create();
    this.#endRates = create();
    this.#u1 = create();
    this.#u2 = create();
    this.#u3 = create();
    this.#u4 = create();
    this.#next = create();
  }

  /**
   * Integrates `y` in place over `duration` and returns the initial step for the next call.
   *
   * `step` is the result of the last call, or any guess above zero. A guess that is too long costs some rejected steps;
   * one that is too short costs some small steps. A `step` longer than `duration` is shortened to `duration`. Throws
   * `StepLimitError` after `maxSteps` accepted and rejected steps, with `y` at the end of the last accepted step.
   */
  integrate(y: State, duration: number, step: number, maxSteps: number = MAX_STEPS_PER_QUANTUM): number {
    const system = this.#system;
    let wanted = Math.min(step, duration);
    let remaining = duration;
    this.#steps = 0;
    system.rates(y, this.#f0);
    while (remaining > 0) {
      system.jacobian(y, this.#jacobian);
      let accepted = false;
      while (!accepted) {
        if (this.#steps >= maxSteps) throw new StepLimitError(maxSteps, duration - remaining, wanted);
        this.#steps += 1;
        const h = Math.min(wanted, remaining);
        const error = this.#tryStep(y, h);
        if (error <= 1) {
          accepted = true;
          remaining -= h;
          y.set(this.#next);
          this.#f0.set(this.#endRates);
          // The end of the quantum can shorten a step. The error of such a step does not predict that of longer steps.
          if (h === wanted) wanted = Math.min(wanted * stepFactor(error), duration);
        } else {
          wanted = h * Math.min(stepFactor(error), LARGEST_AFTER_REFUSAL);
        }
      }
    }
    return wanted;
  }

  /** Number of accepted and rejected steps of the last `integrate` call: a measure of its cost. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Computes one step of length `h` from `y`: the new state goes into `#next`, and its rates into `#endRates`. Returns
   * error ÷ tolerance, or Infinity if the step is rejected.
   *
   * The stages u are those of the transformed method, which needs no product with the Jacobian:
   * (I − γh·J)·u_i = γh·f(Y_i) + γ·Σ c_ij·u_j, with Y_1 = Y_2 = y, Y_3 = y + 2u_1 and Y_4 = Y_3 + u_3. Y_4 is the
   * solution of order 2, and Y_4 + u_4 the one of order 3.
   */
  #tryStep(y: State, h: number): number {
    const n = this.#system.size;
    const f0 = this.#f0;
    const f = this.#stageRates;
    const u1 = this.#u1;
    const u2 = this.#u2;
    const u3 = this.#u3;
    const u4 = this.#u4;
    const next = this.#next;
    const lu = this.#lu;
    const hd = h * DIAGONAL;
    this.#formMatrix(hd);
    if (!lu.factorise()) return Number.POSITIVE_INFINITY;

    for (let i = 0; i < n; i++) u1[i] = hd * (f0[i] as number);
    lu.solve(u1);
    for (let i = 0; i < n; i++) {
      u2[i] = hd * (f0[i] as number) + 2 * (u1[i] as number);
      next[i] = (y[i] as number) + 2 * (u1[i] as number);
    }
    lu.solve(u2);
    this.#system.rates(next, f);
    for (let i = 0; i < n; i++) {
      u3[i] = hd * (f[i] as number) + DIAGONAL * ((u1[i] as number) - (u2[i] as number));
    }
    lu.solve(u3);
    for (let i = 0; i < n; i++) next[i] = (next[i] as number) + (u3[i] as number);
    this.#system.rates(next, f);
    for (let i = 0; i < n; i++) {
      const earlier = DIAGONAL * ((u1[i] as number) - (u2[i] as number));
      u4[i] = hd * (f[i] as number) + earlier + THIRD_IN_FOURTH * (u3[i] as number);
    }
    lu.solve(u4);
    for (let i = 0; i < n; i++) {
      const value = (next[i] as number) + (u4[i] as number);
      next[i] = value <= 0 && value > -(this.#tolerance.absolute[i] as number) ? 0 : value;
    }
    if (!this.#system.admissible(y, next)) return Number.POSITIVE_INFINITY;
    this.#system.rates(next, this.#endRates);
    return this.#error(y);
  }

  /** Returns error ÷ tolerance of the variable with the largest one, or Infinity if a value or a rate is not a number. */
  #error(y: State): number {
    const { relative, absolute } = this.#tolerance;
    const endRates = this.#endRates;
    const u4 = this.#u4;
    const next = this.#next;
    let worst = 0;
    for (let i = 0; i < this.#system.size; i++) {
      const size = Math.max(Math.abs(y[i] as number), Math.abs(next[i] as number));
      const error = Math.abs(u4[i] as number) / ((absolute[i] as number) + relative * size);
      if (Number.isNaN(error) || Number.isNaN(endRates[i])) return Number.POSITIVE_INFINITY;
      if (error > worst) worst = error;
    }
    return worst;
  }

  /**
   * Writes I − hd·J into the matrix of the linear solver. I is the identity, J the Jacobian, and `hd` the step length
   * times `DIAGONAL`.
   */
  #formMatrix(hd: number): void {
    const matrix = this.#lu.matrix;
    const jacobian = this.#jacobian;
    for (let i = 0; i < matrix.length; i++) matrix[i] = -hd * (jacobian[i] as number);
    for (let i = 0; i < matrix.length; i += this.#system.size + 1) matrix[i] = (matrix[i] as number) + 1;
  }
}

/**
 * Returns the largest of `STEP_FACTORS` that keeps the error of the next step within the target. The error grows with
 * the third power of the step length.
 */
function stepFactor(error: number): number {
  for (const factor of STEP_FACTORS) {
    if (error * factor * factor * factor <= AIM) return factor;
  }
  return COLLAPSE;
}
