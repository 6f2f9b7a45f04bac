/**
 * ∂(dy/dt)/∂y of the cell model, in closed form.
 *
 * The equations are stiff (their rates span a factor of about 1e6), so the integrator is implicit and needs this
 * matrix. A closed form is exact and costs less than one evaluation of the rates per column. Three effects couple all
 * variables: growth λ(a, c_x) dilutes every variable; the energy `a` drives import, transcription and elongation; the
 * ribosome cap ties each complex to all others.
 *
 * `bindableRibosomes` is the smaller of two terms, so it has a kink where they are equal. This file uses the derivative
 * of the term that is in force; the step control of the solver handles the kink.
 */
import {
  A,
  C_M,
  C_Q,
  C_R,
  C_T,
  E_M,
  E_T,
  GENERATIONS,
  M_M,
  M_Q,
  M_R,
  M_T,
  Q,
  R,
  S_I,
  STATE_SIZE,
  type StateVector,
  Z_M,
  Z_Q,
  Z_R,
  Z_T,
} from "./state.ts";
import {
  bindableRibosomes,
  elongationRate,
  engagedRibosomes,
  importPerTransporter,
  importThrottle,
  type WeisseModel,
} from "./weisse.ts";

const N = STATE_SIZE;
const COMPLEXES = [C_R, C_T, C_M, C_Q] as const;
const MESSENGERS = [M_R, M_T, M_M, M_Q] as const;
const ZOMBIES = [Z_R, Z_T, Z_M, Z_Q] as const;
/**
 * For the complexes of each class, the index of the protein that they make: free ribosomes, transporters, enzymes and
 * house-keeping protein.
 */
const PRODUCTS = [R, E_T, E_M, Q] as const;

function add(jacobian: Float64Array, row: number, column: number, value: number): void {
  const at = row * N + column;
  jacobian[at] = (jacobian[at] as number) + value;
}

/**
 * Adds the derivatives of dilution to the matrix: every equation has a term with λ. The equation of `GENERATIONS` has
 * no other term.
 */
function addDilution(
  model: WeisseModel,
  y: StateVector,
  gamma: number,
  gammaSlope: number,
  jacobian: Float64Array,
): void {
  const mass = model.parameters.mass;
  const engaged = engagedRibosomes(y);
  const lambda = (gamma * engaged) / mass;
  const byEnergy = (gammaSlope * engaged) / mass;
  const byComplex = gamma / mass;
  for (let row = 0; row < N; row++) {
    const diluted = row === GENERATIONS ? -1 : (y[row] as number);
    add(jacobian, row, A, -byEnergy * diluted);
    for (const complex of COMPLEXES) add(jacobian, row, complex, -byComplex * diluted);
    if (row !== GENERATIONS) add(jacobian, row, row, -lambda);
  }
}

/** Adds the derivatives of import, catabolism and the energy consumption of elongation to the matrix. */
function addMetabolism(
  model: WeisseModel,
  y: StateVector,
  gamma: number,
  gammaSlope: number,
  jacobian: Float64Array,
): void {
  const { parameters: p, surroundings } = model;
  const energy = y[A];
  const perTransporter = importPerTransporter(model, energy);
  // With u = (a/pool)^4 and the import throttle T = 1/(1+u): dT/da = −T² · 4 (a/pool)³ / pool.
  const ratio = energy / p.energyPool;
  const throttleSlope = (-importThrottle(p, energy) * 4 * ratio * ratio * ratio) / p.energyPool;
  add(jacobian, S_I, E_T, perTransporter);
  add(jacobian, S_I, A, y[E_T] * perTransporter * throttleSlope);

  const half = p.catabolicSubstrate + y[S_I];
  const byEnzyme = (p.catabolicRate * y[S_I]) / half;
  const byNutrient = (y[E_M] * p.catabolicRate * p.catabolicSubstrate) / (half * half);
  add(jacobian, S_I, E_M, -byEnzyme);
  add(jacobian, S_I, S_I, -byNutrient);
  add(jacobian, A, E_M, surroundings.nutrientQuality * byEnzyme);
  add(jacobian, A, S_I, surroundings.nutrientQuality * byNutrient);

  add(jacobian, A, A, -gammaSlope * engagedRibosomes(y));
  for (const complex of COMPLEXES) add(jacobian, A, complex, -gamma);
}

/** Adds the derivatives of transcription and of mRNA decay to the matrix. */
function addTranscription(model: WeisseModel, y: StateVector, jacobian: Float64Array): void {
  const { parameters: p, limits } = model;
  const share = limits.transcriptionShare;
  const halfR = p.transcriptionEnergyRibosome + y[A];
  const halfX = p.transcriptionEnergyOther + y[A];
  const slopeR = (share * p.transcriptionEnergyRibosome) / (halfR * halfR);
  const slopeX = (share * p.transcriptionEnergyOther) / (halfX * halfX);
  add(jacobian, M_R, A, p.transcriptionRibosome * slopeR);
  add(jacobian, M_T, A, p.transcriptionEnzyme * slopeX);
  add(jacobian, M_M, A, p.transcriptionEnzyme * slopeX);

  const repression = y[Q] / p.housekeepingAutoinhibition;
  const cubed = repression * repression * repression;
  const open = 1 / (1 + cubed * repression);
  const activity = (share * y[A]) / halfX;
  add(jacobian, M_Q, A, p.transcriptionHousekeeping * slopeX * open);
  const bySelf = (-4 * cubed * open * open) / p.housekeepingAutoinhibition;
  add(jacobian, M_Q, Q, p.transcriptionHousekeeping * activity * bySelf);

  for (const messenger of MESSENGERS) add(jacobian, messenger, messenger, -p.mrnaDecay);
}

/** Adds the derivatives of binding, unbinding, completed elongation and capture by chloramphenicol, class by class. */
function addTranslation(
  model: WeisseModel,
  y: StateVector,
  gamma: number,
  gammaSlope: number,
  jacobian: Float64Array,
): void {
  const { parameters: p, surroundings, limits } = model;
  const room = limits.bindablePerPlace * (limits.ribosomeCap - engagedRibosomes(y));
  const free = y[R];
  const bindable = p.binding * bindableRibosomes(y, limits);
  const byFree = free <= room && free >= 0 ? p.binding : 0;
  const byEngaged = room < free && room > 0 ? -p.binding * limits.bindablePerPlace : 0;
  const capture = p.chloramphenicolBinding * surroundings.chloramphenicolMicromolar;

  for (let x = 0; x < COMPLEXES.length; x++) {
    const c = COMPLEXES[x] as number;
    const m = MESSENGERS[x] as number;
    const length = c === C_R ? p.ribosomeLength : p.proteinLength;
    const messengers = y[m] as number;
    const finish = gamma / length;
    const finishByEnergy = ((y[c] as number) * gammaSlope) / length;

    const release = finish + p.unbinding;
    addBinding(jacobian, c, m, c, -release);
    addBinding(jacobian, c, m, A, -finishByEnergy);
    addBinding(jacobian, c, m, m, bindable);
    addBinding(jacobian, c, m, R, byFree * messengers);
    if (byEngaged !== 0) {
      for (const other of COMPLEXES) addBinding(jacobian, c, m, other, byEngaged * messengers);
    }

    add(jacobian, PRODUCTS[x] as number, c, finish);
    add(jacobian, PRODUCTS[x] as number, A, finishByEnergy);
    add(jacobian, c, c, -capture);
    add(jacobian, ZOMBIES[x] as number, c, capture);
  }
}

/**
 * Adds the derivative of a net binding rate to the matrix. `value` is the derivative with respect to the variable
 * `column`. Each binding makes one complex `c` from one free mRNA `m` and one free ribosome.
 */
function addBinding(jacobian: Float64Array, c: number, m: number, column: number, value: number): void {
  add(jacobian, c, column, value);
  add(jacobian, m, column, -value);
  add(jacobian, R, column, -value);
}

/** Writes the matrix ∂(dy/dt)/∂y, per minute, into `out`: `STATE_SIZE`² numbers, row-major, one row per equation. */
export function weisseJacobian(model: WeisseModel, y: StateVector, out: Float64Array): void {
  const p = model.parameters;
  const gamma = elongationRate(p, y[A]);
  const half = p.elongationEnergy + y[A];
  const gammaSlope = (p.elongationMax * p.elongationEnergy) / (half * half);
  out.fill(0);
  addDilution(model, y, gamma, gammaSlope, out);
  addMetabolism(model, y, gamma, gammaSlope, out);
  addTranscription(model, y, out);
  addTranslation(model, y, gamma, gammaSlope, out);
}
