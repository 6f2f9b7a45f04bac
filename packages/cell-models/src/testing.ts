/**
 * Helpers that several test files share: models with given limits, and states of every magnitude. The package does not
 * export them.
 */
import { type BiologicalType, type CellType, cellTypeOf } from "./cell-types.ts";
import { createState, STATE_SIZE, type StateVector } from "./state.ts";
import type { Limits, Surroundings, WeisseModel, WeisseParameters } from "./weisse.ts";

export const published: CellType = cellTypeOf("ecoli", "weisse-2015");

/** Limits so high that they have no effect: the equations are then the published ones. */
export const UNLIMITED: Limits = {
  ribosomeCap: 1e9,
  bindablePerPlace: 1,
  atpShare: 1,
  transcriptionShare: 1,
};

export function modelOf(
  type: CellType,
  limits: Partial<Limits> = {},
  surroundings: Partial<Surroundings> = {},
  parameters: WeisseParameters = type.parameters,
): WeisseModel {
  return {
    parameters,
    surroundings: { ...type.surroundings, ...surroundings },
    limits: { ...UNLIMITED, ...limits },
  };
}

/**
 * Returns the steady state of the published cell, in molecules. The numbers are the result of an independent stiff
 * solver.
 *
 * `generations` is ∫λ dt; `zombies` is the number of chloramphenicol-bound complexes of each class.
 */
export function publishedState(generations = 0, zombies = 0): StateVector {
  const y = createState();
  const [enzyme, messenger, complex] = [7307.44, 10.188534, 69.370559];
  y.set([generations, zombies, zombies, zombies, zombies, enzyme, enzyme, 128.4046, 238481.42]);
  y.set([35.31193, messenger, messenger, 332.50716, 24.268349], 9);
  y.set([761.70147, complex, complex, 2263.9378, 10.704846], 14);
  return y;
}

/** Returns a copy of `y` in which each variable is multiplied by 10 to the power of its element of `exponents`. */
export function perturbed(y: StateVector, exponents: readonly number[]): StateVector {
  const result = createState();
  for (let i = 0; i < STATE_SIZE; i++) result[i] = (y[i] as number) * 10 ** (exponents[i] as number);
  return result;
}

/** Returns the full demand of the type, with the amounts in `change` replaced. */
export function allocationOf(type: BiologicalType, change: Partial<CellType["fullDemand"]> = {}) {
  return { ...cellTypeOf(type).fullDemand, ...change };
}
