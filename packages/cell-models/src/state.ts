/**
 * The layout of a cell's state vector: 14 variables of the Weiße model, 4 chloramphenicol-bound complexes, ∫λ dt.
 *
 * The order suits the solver, which eliminates columns from the left and skips zeros. First come ∫λ dt and the bound
 * complexes: no other equation depends on them, so their columns have only the diagonal and cost nothing. Then come the
 * variables on which few equations depend, and last `A`, on which all equations depend. A snapshot stores the vector in
 * this order, so a change of the order changes the snapshot format.
 *
 * Units: molecules per cell, `GENERATIONS` dimensionless.
 */

/** Index of ∫λ dt since the last division; a value of ln 2 is one doubling. */
export const GENERATIONS = 0;
/** Indices of the ribosomes that chloramphenicol holds on mRNA of class r, t, m and q ("zombies"). */
export const Z_R = 1;
export const Z_T = 2;
export const Z_M = 3;
export const Z_Q = 4;
/** Index of the number of transporters. */
export const E_T = 5;
/** Index of the number of metabolic enzymes. */
export const E_M = 6;
/** Index of the internal nutrient. */
export const S_I = 7;
/** Index of the house-keeping protein. */
export const Q = 8;
/** Indices of the free mRNA of class r, t, m and q. */
export const M_R = 9;
export const M_T = 10;
export const M_M = 11;
export const M_Q = 12;
/** Index of the number of free ribosomes. */
export const R = 13;
/** Indices of the translating complexes (a ribosome on an mRNA) of class r, t, m and q. */
export const C_R = 14;
export const C_T = 15;
export const C_M = 16;
export const C_Q = 17;
/** Index of the energy. One unit is the energy of one elongation by one amino acid. */
export const A = 18;

export const STATE_SIZE = 19;

type Index = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18;

/**
 * State of a cell: a `Float64Array` of length `STATE_SIZE`. The type of an element at a named index is a number, never
 * `undefined`.
 */
export type StateVector = Float64Array & Record<Index, number>;

export function createState(): StateVector {
  return new Float64Array(STATE_SIZE) as StateVector;
}

/** Names of the state variables in the order of the vector, for messages and for readers of a snapshot. */
export const STATE_NAMES: readonly string[] = [
  "generations",
  "zr",
  "zt",
  "zm",
  "zq",
  "et",
  "em",
  "si",
  "q",
  "mr",
  "mt",
  "mm",
  "mq",
  "r",
  "cr",
  "ct",
  "cm",
  "cq",
  "a",
];
