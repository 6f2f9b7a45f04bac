/**
 * The rates of the cell model of Weiße, Oyarzún, Danos & Swain, PNAS 112:E1038 (2015), doi:10.1073/pnas.1416533112.
 *
 * A cell imports a nutrient (s_i), converts it to energy (a), and spends the energy on protein of four classes:
 * ribosomes r, transporters t, metabolic enzymes m, house-keeping q. All classes compete for the same free ribosomes,
 * so growth λ and its trade-offs are results of the equations. λ = (amino acids elongated per minute) / M. Every amount
 * is diluted at rate λ, so the amounts are those of a cell of constant mass M.
 *
 * The file adds two things to the published model. First, three limits of the hypervisor: ribosome cap, ATP share and
 * RNA polymerase share. Second, a throttle of import, which halves the import when the energy reaches `energyPool`.
 * Without the throttle, a cell that cannot translate accumulates energy without bound.
 *
 * For amounts far below zero the rates are meaningless but smooth, and there is a false steady state at a < −Kγ. A
 * solver must therefore reject steps that leave the admissible region (`isAdmissible`). When the equations
 * in this file change, `weisse-jacobian.ts` must change too; a test compares both files.
 */
import type { Circuit, Gene } from "./circuit.ts";
import {
  A,
  C_M,
  C_Q,
  C_R,
  C_T,
  E_M,
  E_T,
  FIRST_GENE,
  GENE_COMPLEX,
  GENE_VARIABLES,
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
  Z_G,
  Z_M,
  Z_Q,
  Z_R,
  Z_T,
} from "./state.ts";

/** Constants of one kind of cell. Names in brackets are those of the paper. */
export interface WeisseParameters {
  /** Protein per cell, amino acids [M]. */
  readonly mass: number;
  /** Length of a ribosome, amino acids [n_r]. */
  readonly ribosomeLength: number;
  /** Length of every other protein, amino acids [n_x]. */
  readonly proteinLength: number;
  /** Maximum elongation rate, amino acids per minute per ribosome [γ_max]. */
  readonly elongationMax: number;
  /** Energy at half of the maximum elongation rate, molecules [K_γ]. */
  readonly elongationEnergy: number;
  /** Maximum import rate, molecules per minute per transporter [v_t]. */
  readonly importRate: number;
  /** External nutrient at half of the maximum import rate, molecules [K_t]. */
  readonly importSubstrate: number;
  /** Maximum rate of catabolism, molecules per minute per enzyme [v_m]. */
  readonly catabolicRate: number;
  /** Internal nutrient at half of the maximum rate of catabolism, molecules [K_m]. */
  readonly catabolicSubstrate: number;
  /** Maximum transcription rate of each class, mRNA per minute [w_r, w_e, w_q]. */
  readonly transcriptionRibosome: number;
  readonly transcriptionEnzyme: number;
  readonly transcriptionHousekeeping: number;
  /** Energy at half-maximal transcription, molecules [θ_r, θ_x]. */
  readonly transcriptionEnergyRibosome: number;
  readonly transcriptionEnergyOther: number;
  /** Amount of house-keeping protein that halves its own transcription, molecules [K_q]; the Hill exponent is 4. */
  readonly housekeepingAutoinhibition: number;
  /** Rate of mRNA decay, per minute [d_m]. */
  readonly mrnaDecay: number;
  /** Rate constant of the binding of a ribosome to an mRNA, cell/(min·molecule) [k_b]. */
  readonly binding: number;
  /** Rate constant of the unbinding of a ribosome from an mRNA, per minute [k_u]. */
  readonly unbinding: number;
  /** Rate constant of the capture of translating ribosomes by chloramphenicol, per minute and µM [k_cm]. */
  readonly chloramphenicolBinding: number;
  /** Energy at which import is halved, molecules: the adenylate pool of the cell. Not in the paper. */
  readonly energyPool: number;
}

/** The medium of a cell. */
export interface Surroundings {
  /** Energy units that a cell gains per molecule of nutrient, dimensionless [n_s]. */
  nutrientQuality: number;
  /** Amount of nutrient outside the cell, molecules [s]. */
  substrate: number;
  chloramphenicolMicromolar: number;
}

/** The limits that the hypervisor sets for a cell. */
export interface Limits {
  /** Maximum number of ribosomes that translate at the same time, molecules. */
  ribosomeCap: number;
  /** Number of free ribosomes that may bind per unused unit of the cap, at least 1. A higher number hardens the cap. */
  bindablePerPlace: number;
  /** Share of the full ATP demand, 0..1. It multiplies import, and so the whole energy supply. */
  atpShare: number;
  /** Share of the full demand of RNA polymerases, 0..1. It multiplies all transcription. */
  transcriptionShare: number;
}

/**
 * The equations of one cell: its constants, surroundings and limits. Surroundings and limits may change between two
 * quanta.
 */
export interface WeisseModel {
  readonly parameters: WeisseParameters;
  readonly surroundings: Surroundings;
  readonly limits: Limits;
  /** The genes of a circuit; their part of the equations is in `circuit-rates.ts`. */
  readonly circuit?: Circuit | undefined;
}

/** Returns the elongation rate γ(a), amino acids per minute per ribosome. */
export function elongationRate(p: WeisseParameters, energy: number): number {
  return (p.elongationMax * energy) / (p.elongationEnergy + energy);
}

/**
 * Returns the number of translating ribosomes, Σc_x, molecules. Ribosomes bound by chloramphenicol do not translate.
 */
export function engagedRibosomes(y: StateVector): number {
  const engaged = y[C_R] + y[C_T] + y[C_M] + y[C_Q];
  return y.length === STATE_SIZE ? engaged : engaged + engagedByGenes(y);
}

function engagedByGenes(y: StateVector): number {
  let engaged = 0;
  for (let i = FIRST_GENE + GENE_COMPLEX; i < y.length; i += GENE_VARIABLES) engaged += y[i] as number;
  return engaged;
}

/** Returns the number of free, engaged and chloramphenicol-bound ribosomes together, molecules. */
export function totalRibosomes(y: StateVector): number {
  const total = y[R] + engagedRibosomes(y) + y[Z_R] + y[Z_T] + y[Z_M] + y[Z_Q];
  return y.length === STATE_SIZE ? total : total + (y[Z_G] as number);
}

/** Returns the number of amino acids that the whole cell elongates per minute. */
export function translationRate(p: WeisseParameters, y: StateVector): number {
  return elongationRate(p, y[A]) * engagedRibosomes(y);
}

/** Returns the growth rate λ, per minute. */
export function growthRate(p: WeisseParameters, y: StateVector): number {
  return translationRate(p, y) / p.mass;
}

/**
 * Returns the protein mass of the cell as a number of amino acids. This mass includes the ribosomes and the proteins of
 * `genes`, and approaches `mass` at rate λ. If proteins decay, it stays below `mass`.
 */
export function proteinAminoAcids(p: WeisseParameters, y: StateVector, genes: readonly Gene[] = []): number {
  let sum = p.ribosomeLength * totalRibosomes(y) + p.proteinLength * (y[E_T] + y[E_M] + y[Q]);
  for (const { protein, length } of genes) sum += length * (y[protein] as number);
  return sum;
}

/** Returns φ_R, the ribosomal share of the protein mass, 0..1. */
export function ribosomalMassFraction(
  p: WeisseParameters,
  y: StateVector,
  genes: readonly Gene[] = [],
): number {
  return (p.ribosomeLength * totalRibosomes(y)) / proteinAminoAcids(p, y, genes);
}

/**
 * Returns the number of free ribosomes that may bind to mRNA, molecules. Normally all free ribosomes may bind. If the
 * unused part of the ribosome cap is too small, fewer may bind, and none if the cap is used up.
 *
 * The cap limits the binding of ribosomes and not their synthesis. A limit on synthesis would first speed up growth and
 * let the energy grow without bound. A limit on binding makes more ribosomes idle, as chloramphenicol does.
 */
export function bindableRibosomes(y: StateVector, limits: Limits): number {
  return Math.max(0, Math.min(y[R], limits.bindablePerPlace * (limits.ribosomeCap - engagedRibosomes(y))));
}

/**
 * Returns the factor by which energy limits import, 0..1. It is near 1 while energy is far below the adenylate pool.
 */
export function importThrottle(p: WeisseParameters, energy: number): number {
  const ratio = energy / p.energyPool;
  return 1 / (1 + ratio * ratio * ratio * ratio);
}

/** Returns the import rate of nutrient, molecules per minute per transporter. */
export function importPerTransporter(model: WeisseModel, energy: number): number {
  const { parameters: p, surroundings: s, limits } = model;
  const saturation = s.substrate / (p.importSubstrate + s.substrate);
  return limits.atpShare * p.importRate * saturation * importThrottle(p, energy);
}

/** Returns the share of its maximum rate at which every gene but that of the ribosomes is transcribed, before regulation. */
export function transcriptionActivity({ parameters: p, limits }: WeisseModel, energy: number): number {
  return (limits.transcriptionShare * energy) / (p.transcriptionEnergyOther + energy);
}

/** Returns the rate of transcription of ribosomes, mRNA per minute. */
export function ribosomeTranscription({ parameters: p, limits }: WeisseModel, energy: number): number {
  return (
    (limits.transcriptionShare * p.transcriptionRibosome * energy) / (p.transcriptionEnergyRibosome + energy)
  );
}

/** Returns the rate of transcription of house-keeping protein, mRNA per minute, if `y` has this much of it. */
export function housekeepingTranscription(p: WeisseParameters, activity: number, protein: number): number {
  const repression = protein / p.housekeepingAutoinhibition;
  return (p.transcriptionHousekeeping * activity) / (1 + repression * repression * repression * repression);
}

/** Writes dy/dt, the rate of change of each variable of the cell itself per minute, into `out`. */
export function weisseRates(model: WeisseModel, y: StateVector, out: StateVector): void {
  const { parameters: p, surroundings, limits } = model;
  const energy = y[A];
  const gamma = elongationRate(p, energy);
  const engaged = engagedRibosomes(y);
  const translated = gamma * engaged;
  const lambda = translated / p.mass;

  const imported = y[E_T] * importPerTransporter(model, energy);
  const catabolised = (y[E_M] * p.catabolicRate * y[S_I]) / (p.catabolicSubstrate + y[S_I]);

  const finish = gamma / p.proteinLength;
  const madeR = (y[C_R] * gamma) / p.ribosomeLength;
  const madeT = y[C_T] * finish;
  const madeM = y[C_M] * finish;
  const madeQ = y[C_Q] * finish;

  const bindable = p.binding * bindableRibosomes(y, limits);
  const netR = bindable * y[M_R] - p.unbinding * y[C_R] - madeR;
  const netT = bindable * y[M_T] - p.unbinding * y[C_T] - madeT;
  const netM = bindable * y[M_M] - p.unbinding * y[C_M] - madeM;
  const netQ = bindable * y[M_Q] - p.unbinding * y[C_Q] - madeQ;

  const activity = transcriptionActivity(model, energy);
  const written = p.transcriptionEnzyme * activity;
  const writtenR = ribosomeTranscription(model, energy);
  const writtenQ = housekeepingTranscription(p, activity, y[Q]);

  const capture = p.chloramphenicolBinding * surroundings.chloramphenicolMicromolar;
  const loss = lambda + capture;
  const mrnaLoss = lambda + p.mrnaDecay;

  out[GENERATIONS] = lambda;
  out[Z_R] = capture * y[C_R] - lambda * y[Z_R];
  out[Z_T] = capture * y[C_T] - lambda * y[Z_T];
  out[Z_M] = capture * y[C_M] - lambda * y[Z_M];
  out[Z_Q] = capture * y[C_Q] - lambda * y[Z_Q];
  out[E_T] = madeT - lambda * y[E_T];
  out[E_M] = madeM - lambda * y[E_M];
  out[S_I] = imported - catabolised - lambda * y[S_I];
  out[Q] = madeQ - lambda * y[Q];
  out[M_R] = writtenR - mrnaLoss * y[M_R] - netR;
  out[M_T] = written - mrnaLoss * y[M_T] - netT;
  out[M_M] = written - mrnaLoss * y[M_M] - netM;
  out[M_Q] = writtenQ - mrnaLoss * y[M_Q] - netQ;
  out[R] = madeR - lambda * y[R] - (netR + netT + netM + netQ);
  out[C_R] = netR - loss * y[C_R];
  out[C_T] = netT - loss * y[C_T];
  out[C_M] = netM - loss * y[C_M];
  out[C_Q] = netQ - loss * y[C_Q];
  out[A] = surroundings.nutrientQuality * catabolised - translated - lambda * energy;
}

/**
 * Returns whether a step from the state `from` may end at the state `to`: all amounts are finite and not negative, and
 * the engaged ribosomes are within the cap.
 *
 * If the cap was lowered below the number of engaged ribosomes, this number may exceed the cap until enough ribosomes
 * have finished translating. Until then the number may only fall.
 */
export function isAdmissible(model: WeisseModel, from: StateVector, to: StateVector): boolean {
  for (let i = 0; i < to.length; i++) {
    if (!((to[i] as number) >= 0)) return false;
  }
  return engagedRibosomes(to) <= Math.max(model.limits.ribosomeCap, engagedRibosomes(from));
}
