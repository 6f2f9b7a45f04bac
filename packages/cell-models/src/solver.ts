/**
 * The integrator for the cell model: its equations, valid region and accuracy.
 *
 * The solver reads the model's surroundings and limits at every evaluation, so they may be replaced between two calls, but not during
 * one. A change acts from that instant on the rates.
 */
import { Rosenbrock } from "./rosenbrock.ts";
import { createState, GENERATIONS, STATE_SIZE, type StateVector } from "./state.ts";
import { isAdmissible, type WeisseModel, weisseRates } from "./weisse.ts";
import { weisseJacobian } from "./weisse-jacobian.ts";

/**
 * Relative error per step. After any single shift of nutrient, antibiotic or allocation, λ differs from the exact
 * solution by at most 1e-6 of the reference rate; a test checks this. The steady state does not depend on the
 * tolerance. A tolerance ten times stricter costs 2.5 times the steps.
 */
const RELATIVE_TOLERANCE = 1e-5;
/** Molecules per 1e8 amino acids of protein that count as zero: one molecule in a million cells. */
const ABSOLUTE_TOLERANCE = 1e-6;
/** Absolute error of ∫λ dt, dimensionless: the error of a division time is 1e-7 of a generation. */
const GENERATION_TOLERANCE = 1e-7;
const REFERENCE_MASS = 1e8;

/** The first step of a cell without a previous step, minutes. Every process except import is slow compared with it. */
export const FIRST_STEP_MINUTES = 1 / 1_048_576;

export function createSolver(model: WeisseModel): Rosenbrock<StateVector> {
  const absolute = new Float64Array(STATE_SIZE).fill(
    (ABSOLUTE_TOLERANCE * model.parameters.mass) / REFERENCE_MASS,
  );
  absolute[GENERATIONS] = GENERATION_TOLERANCE;
  return new Rosenbrock<StateVector>(
    {
      size: STATE_SIZE,
      rates: (y, out) => weisseRates(model, y, out),
      jacobian: (y, out) => weisseJacobian(model, y, out),
      admissible: (from, to) => isAdmissible(model, from, to),
    },
    { relative: RELATIVE_TOLERANCE, absolute },
    createState,
  );
}
