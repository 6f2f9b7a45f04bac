/**
 * Random partition at division: each macromolecule goes to one of the two daughters by a fair coin.
 *
 * The state vector holds the amounts of a cell of constant mass. A dividing mother therefore has twice these amounts,
 * and each daughter gets on average exactly these amounts. Nutrient and energy are numerous and mix fast, so they
 * divide evenly. The protein mass of a daughter differs slightly from the constant mass M. The equations of the model
 * bring the protein mass back to M at rate λ.
 *
 * No molecule is lost: what the first daughter does not get, the second one has.
 */
import { fairBinomial, type RandomState, uniform } from "./random.ts";
import {
  C_M,
  C_Q,
  C_R,
  C_T,
  E_M,
  E_T,
  FIRST_GENE,
  GENE_COMPLEX,
  GENE_MRNA,
  GENE_VARIABLES,
  M_M,
  M_Q,
  M_R,
  M_T,
  Q,
  R,
  STATE_SIZE,
  type StateVector,
  Z_M,
  Z_Q,
  Z_R,
  Z_T,
} from "./state.ts";
import { engagedRibosomes } from "./weisse.ts";

/**
 * The state variables that are partitioned, in the order of the random draws. A change of the order changes every
 * seeded cell.
 */
const MACROMOLECULES = [R, E_T, E_M, Q, M_R, M_T, M_M, M_Q, C_R, C_T, C_M, C_Q, Z_R, Z_T, Z_M, Z_Q] as const;
const COMPLEXES = [
  [C_R, M_R],
  [C_T, M_T],
  [C_M, M_M],
  [C_Q, M_Q],
] as const;

/**
 * Replaces the state `y` of the mother by the state of one daughter, and that of `second`, if it is given and has the state
 * of the mother, by the state of the other one. No amount of a daughter is negative. A daughter has at most `ribosomeCap`
 * engaged ribosomes. If the mother has more engaged ribosomes than this cap, a daughter has at most as many as the mother.
 */
export function partition(
  y: StateVector,
  random: RandomState,
  ribosomeCap: number,
  second?: StateVector,
): void {
  const limit = Math.max(ribosomeCap, engagedRibosomes(y));
  const dealOut = (i: number): void => {
    const molecules = moleculesOf(y[i] as number, random);
    y[i] = fairBinomial(random, molecules);
    if (second !== undefined) second[i] = molecules - y[i];
  };
  for (const i of MACROMOLECULES) dealOut(i);
  // All variables of genes are macromolecules.
  for (let i = STATE_SIZE; i < y.length; i++) dealOut(i);
  releaseAbove(limit, y);
  if (second !== undefined) releaseAbove(limit, second);
}

/**
 * Returns the number of molecules of a mother that has twice the amount `held`: the part of a molecule is one molecule
 * with its probability. So mean and variance of a daughter are right down to a hundredth of a molecule.
 */
function moleculesOf(held: number, random: RandomState): number {
  const whole = Math.floor(2 * held);
  return whole + (uniform(random) < 2 * held - whole ? 1 : 0);
}

/**
 * Frees the engaged ribosomes in excess of `limit`, together with their mRNA: the same share of every class of mRNA.
 */
export function releaseAbove(limit: number, y: StateVector): void {
  const engaged = engagedRibosomes(y);
  if (engaged <= limit) return;
  const released = 1 - limit / engaged;
  for (const [complex, messenger] of COMPLEXES) {
    const freed = y[complex] * released;
    y[complex] -= freed;
    y[messenger] += freed;
    y[R] += freed;
  }
  for (let gene = FIRST_GENE; gene < y.length; gene += GENE_VARIABLES) {
    const [complex, messenger] = [gene + GENE_COMPLEX, gene + GENE_MRNA];
    const freed = (y[complex] as number) * released;
    y[complex] = (y[complex] as number) - freed;
    y[messenger] = (y[messenger] as number) + freed;
    y[R] += freed;
  }
}
