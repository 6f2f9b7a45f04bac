/**
 * The rates of a cell with the genes of a circuit, and their Jacobian.
 *
 * A gene is a fifth class of protein: its mRNA competes for the same free ribosomes, its translation consumes the same
 * energy and counts in growth, and all its amounts are diluted (the published code's p, m_p and c_p). Its transcription
 * is ω = w · a/(θ_x + a) · Π h, with one Hill term h of the protein of each regulator: with u = (p/K)^n, 1/(1+u) for a
 * repressor and u/(1+u) for an activator. A protein with a half-life decays; its amino acids leave the cell.
 *
 * The equations of the cell itself are those of `weisse.ts` and `weisse-jacobian.ts`. They are evaluated first, with
 * the complexes of the genes among the engaged ribosomes; this file adds what the genes change.
 */
import type { Circuit, Gene, Regulator } from "./circuit.ts";
import {
  A,
  C_M,
  C_Q,
  C_R,
  C_T,
  GENERATIONS,
  M_M,
  M_Q,
  M_R,
  M_T,
  R,
  STATE_SIZE,
  type StateVector,
  Z_G,
} from "./state.ts";
import {
  bindableRibosomes,
  elongationRate,
  engagedRibosomes,
  transcriptionActivity,
  type WeisseModel,
  weisseRates,
} from "./weisse.ts";
import { weisseJacobian } from "./weisse-jacobian.ts";

const OWN_COMPLEXES = [
  [C_R, M_R],
  [C_T, M_T],
  [C_M, M_M],
  [C_Q, M_Q],
] as const;

/** Returns (x/K)^n. Steps of the solver may look at amounts a little below zero, which count as zero. */
function relativePower({ threshold, hill }: Regulator, x: number, exponent: number = hill): number {
  const ratio = Math.max(0, x) / threshold;
  let power = 1;
  for (let i = 0; i < exponent; i++) power *= ratio;
  return power;
}

/** Returns the factor of one regulator on transcription, 0..1. */
function hillTerm(regulator: Regulator, x: number): number {
  const u = relativePower(regulator, x);
  return regulator.represses ? 1 / (1 + u) : u / (1 + u);
}

/** Returns the derivative of {@link hillTerm} with respect to the amount, per molecule. */
function hillSlope(regulator: Regulator, x: number): number {
  if (x < 0) return 0;
  const { threshold, hill, represses } = regulator;
  const open = 1 / (1 + relativePower(regulator, x));
  const slope = ((hill * relativePower(regulator, x, hill - 1)) / threshold) * open * open;
  return represses ? -slope : slope;
}

/** Returns the product of the factors of all regulators of a gene, or of all but the one at the index `except`. */
export function regulation(gene: Gene, y: StateVector, except = -1): number {
  let product = 1;
  for (let i = 0; i < gene.regulators.length; i++) {
    const regulator = gene.regulators[i] as Regulator;
    if (i !== except) product *= hillTerm(regulator, y[regulator.protein] as number);
  }
  return product;
}

/** Writes dy/dt of a cell with genes, per minute, into `out`. */
export function circuitRates(model: WeisseModel, circuit: Circuit, y: StateVector, out: StateVector): void {
  const { parameters: p, surroundings, limits } = model;
  weisseRates(model, y, out);
  const gamma = elongationRate(p, y[A]);
  const lambda = (gamma * engagedRibosomes(y)) / p.mass;
  const bindable = bindableRibosomes(y, limits);
  const activity = transcriptionActivity(model, y[A]);
  const capture = p.chloramphenicolBinding * surroundings.chloramphenicolMicromolar;
  let complexes = 0;
  let bound = 0;
  for (const gene of circuit.genes) {
    const messengers = y[gene.mrna] as number;
    const complex = y[gene.complex] as number;
    const protein = y[gene.protein] as number;
    const made = (complex * gamma) / gene.length;
    const net = gene.binding * bindable * messengers - gene.unbinding * complex - made;
    const written = gene.transcription * activity * regulation(gene, y);
    out[gene.mrna] = written - (lambda + gene.mrnaDecay) * messengers - net;
    out[gene.complex] = net - (lambda + capture) * complex;
    out[gene.protein] = made - (lambda + gene.proteinDecay) * protein;
    complexes += complex;
    bound += net;
  }
  out[R] -= bound;
  out[Z_G] = capture * complexes - lambda * (y[Z_G] as number);
}

/** The matrix of a cell with genes while it is filled: row-major, `size` rows. */
interface Matrix {
  readonly size: number;
  readonly values: Float64Array;
}

function add({ size, values }: Matrix, row: number, column: number, value: number): void {
  const at = row * size + column;
  values[at] = (values[at] as number) + value;
}

/** Adds the derivative of a net binding rate of complexes `c` of mRNA `m` with respect to the variable `column`. */
function addBinding(matrix: Matrix, c: number, m: number, column: number, value: number): void {
  add(matrix, c, column, value);
  add(matrix, m, column, -value);
  add(matrix, R, column, -value);
}

/** What several parts of the matrix are computed from. */
interface Common {
  readonly gamma: number;
  readonly gammaSlope: number;
  readonly engaged: number;
}

/**
 * Writes the matrix ∂(dy/dt)/∂y of a cell with genes, per minute, into `out`: one row per equation. `own` is working
 * memory of `STATE_SIZE`² numbers.
 */
export function circuitJacobian(
  model: WeisseModel,
  circuit: Circuit,
  y: StateVector,
  out: Float64Array,
  own: Float64Array,
): void {
  const p = model.parameters;
  const matrix = { size: circuit.stateSize, values: out };
  weisseJacobian(model, y, own);
  out.fill(0);
  for (let row = 0; row < STATE_SIZE; row++) {
    const from = row * STATE_SIZE;
    out.set(own.subarray(from, from + STATE_SIZE), row * matrix.size);
  }
  const half = p.elongationEnergy + y[A];
  const common = {
    gamma: elongationRate(p, y[A]),
    gammaSlope: (p.elongationMax * p.elongationEnergy) / (half * half),
    engaged: engagedRibosomes(y),
  };
  addDilution(model, circuit, y, common, matrix);
  addTranscription(model, circuit, y, matrix);
  addTranslation(model, circuit, y, common, matrix);
}

/** Adds the derivatives of dilution and of the energy consumption that the matrix of the cell itself does not have. */
function addDilution(
  model: WeisseModel,
  circuit: Circuit,
  y: StateVector,
  { gamma, gammaSlope, engaged }: Common,
  matrix: Matrix,
): void {
  const { mass } = model.parameters;
  const byComplex = gamma / mass;
  for (let row = 0; row < matrix.size; row++) {
    const diluted = row === GENERATIONS ? -1 : (y[row] as number);
    for (const { complex } of circuit.genes) add(matrix, row, complex, -byComplex * diluted);
    if (row < STATE_SIZE) continue;
    for (const [complex] of OWN_COMPLEXES) add(matrix, row, complex, -byComplex * diluted);
    add(matrix, row, A, ((-gammaSlope * engaged) / mass) * diluted);
    add(matrix, row, row, (-gamma * engaged) / mass);
  }
  for (const { complex } of circuit.genes) add(matrix, A, complex, -gamma);
}

/** Adds the derivatives of transcription and of the decay of mRNA and protein. */
function addTranscription(model: WeisseModel, circuit: Circuit, y: StateVector, matrix: Matrix): void {
  const { parameters: p, limits } = model;
  const half = p.transcriptionEnergyOther + y[A];
  const activity = (limits.transcriptionShare * y[A]) / half;
  const slope = (limits.transcriptionShare * p.transcriptionEnergyOther) / (half * half);
  for (const gene of circuit.genes) {
    add(matrix, gene.mrna, A, gene.transcription * slope * regulation(gene, y));
    for (let i = 0; i < gene.regulators.length; i++) {
      const regulator = gene.regulators[i] as Regulator;
      const byProtein = regulation(gene, y, i) * hillSlope(regulator, y[regulator.protein] as number);
      add(matrix, gene.mrna, regulator.protein, gene.transcription * activity * byProtein);
    }
    add(matrix, gene.mrna, gene.mrna, -gene.mrnaDecay);
    add(matrix, gene.protein, gene.protein, -gene.proteinDecay);
  }
}

/** Adds the derivatives of binding, unbinding, completed elongation and capture by chloramphenicol. */
function addTranslation(
  model: WeisseModel,
  circuit: Circuit,
  y: StateVector,
  { gamma, gammaSlope, engaged }: Common,
  matrix: Matrix,
): void {
  const { parameters: p, surroundings, limits } = model;
  const room = limits.bindablePerPlace * (limits.ribosomeCap - engaged);
  const free = y[R];
  const bindable = bindableRibosomes(y, limits);
  const byFree = free <= room && free >= 0 ? 1 : 0;
  const byEngaged = room < free && room > 0 ? -limits.bindablePerPlace : 0;
  const capture = p.chloramphenicolBinding * surroundings.chloramphenicolMicromolar;

  for (const { complex: c, mrna: m, protein, length, binding, unbinding } of circuit.genes) {
    const messengers = y[m] as number;
    const finish = gamma / length;
    const finishByEnergy = ((y[c] as number) * gammaSlope) / length;
    addBinding(matrix, c, m, c, -finish - unbinding);
    addBinding(matrix, c, m, A, -finishByEnergy);
    addBinding(matrix, c, m, m, binding * bindable);
    addBinding(matrix, c, m, R, binding * byFree * messengers);
    add(matrix, protein, c, finish);
    add(matrix, protein, A, finishByEnergy);
    add(matrix, c, c, -capture);
    add(matrix, Z_G, c, capture);
    if (byEngaged === 0) continue;
    // Every engaged ribosome takes a place from all others.
    for (const other of circuit.genes)
      addBinding(matrix, c, m, other.complex, binding * byEngaged * messengers);
    for (const [own, ownMrna] of OWN_COMPLEXES) {
      addBinding(matrix, c, m, own, binding * byEngaged * messengers);
      addBinding(matrix, own, ownMrna, c, p.binding * byEngaged * (y[ownMrna] as number));
    }
  }
}
