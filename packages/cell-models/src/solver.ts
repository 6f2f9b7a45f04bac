/**
 * The integrator set up for the cell model: which equations, which region, how accurate.
 *
 * The solver reads the model's surroundings and limits at every evaluation, so they may be replaced between two calls
 * (never during one); what was changed then acts from that instant, and the cell answers at its own pace.
 */
import { Rosenbrock } from "./rosenbrock.ts";
import { createState, GENERATIONS, STATE_SIZE, type StateVector } from "./state.ts";
import { isAdmissible, type WeisseModel, weisseRates } from "./weisse.ts";
import { weisseJacobian } from "./weisse-jacobian.ts";

/**
 * Error per step, relative. After any single shift of nutrient, antibiotic or allocation λ stays within 1e-6 of the
 * reference rate from the exact course (a test holds it there); the steady state does not depend on it at all. Ten
 * times stricter costs 2.5 times the steps.
 */
const RELATIVE_TOLERANCE = 1e-5;
/** Molecules per 1e8 amino acids of protein that count as nothing: one in a million cells has one. */
const ABSOLUTE_TOLERANCE = 1e-6;
/** Of ∫λ dt, dimensionless: a division is off by 1e-7 of a generation. */
const GENERATION_TOLERANCE = 1e-7;
const REFERENCE_MASS = 1e8;

/** First step of a cell that has none to carry over, minutes: short against every rate but that of import. */
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
