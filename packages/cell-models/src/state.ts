/**
 * The layout of a cell's state vector: 14 variables of the Weiße model, 4 chloramphenicol-bound complexes, ∫λ dt.
 *
 * The order suits the solver, which eliminates columns from the left and skips zeros. First come ∫λ dt and the bound
 * complexes: no other equation depends on them, so their columns have only the diagonal and cost nothing. Then come the
 * variables on which few equations depend, and last `A`, on which all equations depend. A snapshot stores the vector in
 * this order, so a change of the order changes the snapshot format. The variables of genes follow (`circuit.ts`).
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

/** Number of state variables of a cell without genes of a circuit. */
export const STATE_SIZE = 19;

/** Index of the ribosomes that chloramphenicol holds on mRNA of genes, in a cell with genes, and its name. */
export const Z_G = 19;
export const Z_G_NAME = "zg";
/** Index of the first variable of the first gene. */
export const FIRST_GENE = 20;
/** Number of variables of one gene, and the place of each among them. */
export const GENE_VARIABLES = 3;
export const GENE_MRNA = 0;
export const GENE_COMPLEX = 1;
export const GENE_PROTEIN = 2;

type Index = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18;

/**
 * State of a cell: a `Float64Array` of length `STATE_SIZE`, or longer in a cell with genes. The type of an element at a
 * named index is a number, never `undefined`.
 */
export type StateVector = Float64Array & Record<Index, number>;

export function createState(size: number = STATE_SIZE): StateVector {
  return new Float64Array(size) as StateVector;
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

/** A state variable of a model: its name, and its unit; the unit of a pure number is `1`. */
export interface StateVariable {
  readonly name: string;
  readonly unit: string;
}

/** Returns the state variables of these names, which are in the order of the state vector. */
export function variablesOf(names: readonly string[]): readonly StateVariable[] {
  return names.map((name, i) => ({ name, unit: i === GENERATIONS ? "1" : "molecules" }));
}
