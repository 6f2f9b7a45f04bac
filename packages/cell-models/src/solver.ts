/**
 * Makes the solver of a cell model from the equations of the model, their valid region and the required accuracy.
 *
 * The solver reads the model's surroundings and limits at every evaluation of the rates. The caller may replace
 * surroundings and limits between two calls of `integrate`, but not during a call. The next call uses the new values.
 */
import type { Circuit } from "./circuit.ts";
import { circuitJacobian, circuitRates } from "./circuit-rates.ts";
import { Rosenbrock, type StiffSystem } from "./rosenbrock.ts";
import { createState, GENERATIONS, STATE_SIZE, type StateVector } from "./state.ts";
import { isAdmissible, type WeisseModel, weisseRates } from "./weisse.ts";
import { weisseJacobian } from "./weisse-jacobian.ts";

/**
 * Relative error per step. Every variable at every minute after a shift of the medium, a resize and a schedule then
 * differs from the exact solution by at most 1e-5 of its value, the promise of recorded courses; a test checks this, and
 * finds 2e-6 (`independent-courses.int.test.ts` of driver-basic). ADR 50 has the figures of other tolerances. The steady
 * state does not depend on the tolerance. A tolerance ten times stricter costs 2.4 times the steps.
 */
const RELATIVE_TOLERANCE = 3e-6;
/**
 * Absolute error per step, molecules per 1e8 amino acids of protein: one molecule in a million cells. Smaller amounts
 * count as zero.
 */
const ABSOLUTE_TOLERANCE = 1e-6;
/** Absolute error per step of ∫λ dt, dimensionless. The error of a division time is then 1e-7 of a generation. */
const GENERATION_TOLERANCE = 1e-7;
const REFERENCE_MASS = 1e8;

/**
 * The first step of a cell without a previous step, minutes. It is short: every process except import is slow compared
 * with it.
 */
export const FIRST_STEP_MINUTES = 1 / 1_048_576;

export function createSolver(model: WeisseModel): Rosenbrock<StateVector> {
  const { circuit } = model;
  const size = circuit?.stateSize ?? STATE_SIZE;
  const absolute = new Float64Array(size).fill((ABSOLUTE_TOLERANCE * model.parameters.mass) / REFERENCE_MASS);
  absolute[GENERATIONS] = GENERATION_TOLERANCE;
  return new Rosenbrock<StateVector>(
    circuit === undefined ? systemOf(model) : systemWithGenes(model, circuit),
    { relative: RELATIVE_TOLERANCE, absolute },
    () => createState(size),
  );
}

function systemOf(model: WeisseModel): StiffSystem<StateVector> {
  return {
    size: STATE_SIZE,
    rates: (y, out) => weisseRates(model, y, out),
    jacobian: (y, out) => weisseJacobian(model, y, out),
    admissible: (from, to) => isAdmissible(model, from, to),
  };
}

function systemWithGenes(model: WeisseModel, circuit: Circuit): StiffSystem<StateVector> {
  const own = new Float64Array(STATE_SIZE * STATE_SIZE);
  return {
    size: circuit.stateSize,
    rates: (y, out) => circuitRates(model, circuit, y, out),
    jacobian: (y, out) => circuitJacobian(model, circuit, y, out, own),
    admissible: (from, to) => isAdmissible(model, from, to),
  };
}
