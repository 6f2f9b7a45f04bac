/**
 * What one daughter gets at division when chance decides: each macromolecule goes to either side by a fair coin.
 *
 * The state describes a cell of constant mass, so at division the mother holds twice the state and the daughter expects
 * the state itself. Nutrient and energy are many and mix fast, they divide evenly. Protein mass comes out a little off M and
 * relaxes to it at rate λ: the equations do that by themselves.
 */
import { fairBinomial, type RandomState } from "./random.ts";
import {
  C_M,
  C_Q,
  C_R,
  C_T,
  E_M,
  E_T,
  M_M,
  M_Q,
  M_R,
  M_T,
  Q,
  R,
  type StateVector,
  Z_M,
  Z_Q,
  Z_R,
  Z_T,
} from "./state.ts";
import { engagedRibosomes } from "./weisse.ts";

/** The order of the draws; changing it changes every seeded cell. */
const MACROMOLECULES = [R, E_T, E_M, Q, M_R, M_T, M_M, M_Q, C_R, C_T, C_M, C_Q, Z_R, Z_T, Z_M, Z_Q] as const;
const COMPLEXES = [
  [C_R, M_R],
  [C_T, M_T],
  [C_M, M_M],
  [C_Q, M_Q],
] as const;

/** Replaces `y` by a daughter's share. Never negative, and never more ribosomes engaged than the cap or than before. */
export function partition(y: StateVector, random: RandomState, ribosomeCap: number): void {
  const limit = Math.max(ribosomeCap, engagedRibosomes(y));
  for (const i of MACROMOLECULES) {
    const held = y[i];
    const coins = Math.round(2 * held);
    y[i] = Math.max(0, held + fairBinomial(random, coins) - coins / 2);
  }
  releaseAbove(limit, y);
}

/** Lets the ribosomes engaged beyond `limit` fall off their mRNA, in proportion. */
function releaseAbove(limit: number, y: StateVector): void {
  const engaged = engagedRibosomes(y);
  if (engaged <= limit) return;
  const released = 1 - limit / engaged;
  for (const [complex, messenger] of COMPLEXES) {
    const freed = y[complex] * released;
    y[complex] -= freed;
    y[messenger] += freed;
    y[R] += freed;
  }
}
