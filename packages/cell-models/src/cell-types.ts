/**
 * The kinds of cell that can be simulated, what each needs to grow at its reference rate, and their parameters.
 *
 * All four parameter sets belong to the same model, that of `weisse.ts`. The published set describes a generic
 * bacterium of 1e8 amino acids. The other three sets are the published set scaled to the protein mass of a real cell
 * (an exact symmetry: `scaledBySize`). In each of them, three numbers are fitted: nutrient quality and two levels of
 * transcription. The targets are the measured doubling time, the measured ribosomes per cell, and 80 % of ribosomes
 * engaged.
 *
 * The elongation rate and the ribosomal mass fraction are not fitted but predicted. For ecoli the model predicts 17.6
 * aa/s and a fraction of 0.155; the measured values are 18 aa/s and 0.153 (Bremer & Dennis 2008). For syn3a the
 * predicted fraction is 0.11; the measured fraction is 0.084–0.092.
 *
 * After a change of any number in a set, its three fitted numbers must be fitted again; otherwise its doubling time is
 * wrong.
 */
import type { Surroundings, WeisseParameters } from "./weisse.ts";

export type BiologicalType = "syn3a" | "ecoli" | "minimal_cell";
export const biologicalTypes: readonly BiologicalType[] = ["syn3a", "ecoli", "minimal_cell"];

/** Name of a parameter set. `weisse-2015`, the published parameters without scaling, exists for `ecoli` only. */
export type ParameterSetName = "default" | "weisse-2015";
export const parameterSets: readonly ParameterSetName[] = ["default", "weisse-2015"];

export type CellResource = "ribosomes" | "rnaPolymerases" | "atpPerSecond" | "dnaKilobases";
export const cellResources: readonly CellResource[] = [
  "ribosomes",
  "rnaPolymerases",
  "atpPerSecond",
  "dnaKilobases",
];

/**
 * An integer amount of each of the four resources: ribosomes, RNA polymerases, ATP molecules per second, and thousand
 * base pairs of genome.
 */
export type ResourceDemand = Readonly<Record<CellResource, number>>;

export interface CellType {
  readonly biologicalType: BiologicalType;
  readonly parameterSet: ParameterSetName;
  readonly parameters: WeisseParameters;
  /** The medium of a cell of this type, unless its environment says otherwise. */
  readonly surroundings: Readonly<Surroundings>;
  /** Resources that the type needs to grow at its reference rate. They are the default request of a VM. */
  readonly fullDemand: ResourceDemand;
  /** Cap of a cell with its full demand of ribosomes, if it is larger than its allocation; absent: the allocation. */
  readonly ribosomeCapAtFullDemand?: number | undefined;
  /**
   * Growth rate λ under full demand in the default environment, per minute. A cell at this rate has a health of 100 %.
   */
  readonly referenceGrowthRate: number;
}

/**
 * External nutrient, molecules, as in Weiße 2015. It is ten times K_t, the nutrient at half-maximal import, so import
 * runs at 10/11 of its maximum.
 */
const SUBSTRATE = 1e4;

/**
 * The parameters of Weiße 2015: table S1, as in the authors' code and in BioModels MODEL1502270000. The units are those
 * of `WeisseParameters`.
 */
const PUBLISHED: WeisseParameters = Object.freeze({
  mass: 1e8,
  ribosomeLength: 7549,
  proteinLength: 300,
  elongationMax: 1260,
  // K_γ = γ_max / K_p, with the published γ_max = 1260 /min and K_p = 180.1378030928276 /min
  elongationEnergy: 1260 / 180.1378030928276,
  importRate: 726,
  importSubstrate: 1000,
  catabolicRate: 5800,
  catabolicSubstrate: 1000,
  transcriptionRibosome: 929.9678874564831,
  transcriptionEnzyme: 4.139172187824451,
  transcriptionHousekeeping: 948.9349882947897,
  transcriptionEnergyRibosome: 426.8693338968694,
  transcriptionEnergyOther: 4.379733394834643,
  housekeepingAutoinhibition: 152219.040373749,
  mrnaDecay: 0.1,
  binding: 1,
  unbinding: 1,
  chloramphenicolBinding: 0.005990373118888,
  // Not in the paper. The pool of ATP, ADP and AMP in E. coli is 5.8e6 molecules at 9.6 mM ATP; scaled to `mass`.
  energyPool: 4.5e5,
});

/**
 * Returns the parameters of the same cell, `scale` times as large. Every amount is then `scale` times as large at every
 * instant, and λ is unchanged. This is exact up to rounding.
 *
 * The external nutrient and K_t (the nutrient at half-maximal import) belong to the medium and do not change.
 */
export function scaledBySize(p: WeisseParameters, scale: number): WeisseParameters {
  return {
    ...p,
    mass: p.mass * scale,
    elongationEnergy: p.elongationEnergy * scale,
    catabolicSubstrate: p.catabolicSubstrate * scale,
    transcriptionRibosome: p.transcriptionRibosome * scale,
    transcriptionEnzyme: p.transcriptionEnzyme * scale,
    transcriptionHousekeeping: p.transcriptionHousekeeping * scale,
    transcriptionEnergyRibosome: p.transcriptionEnergyRibosome * scale,
    transcriptionEnergyOther: p.transcriptionEnergyOther * scale,
    housekeepingAutoinhibition: p.housekeepingAutoinhibition * scale,
    binding: p.binding / scale,
    energyPool: p.energyPool * scale,
  };
}

/**
 * Size of E. coli as a multiple of the published cell, which has 1e8 amino acids. E. coli has 1.2815e9 amino acids: 234
 * fg of protein at a doubling time τ = 40 min (Bremer & Dennis 2008), divided by 182.6e-24 g per amino acid.
 */
const ECOLI_SCALE = 12.815;
/**
 * Parameters of E. coli, fitted to a doubling time τ = 40 min, 26 300 ribosomes, and 80 % of ribosomes engaged (Bremer
 * & Dennis 2008).
 */
const ECOLI: WeisseParameters = Object.freeze({
  ...scaledBySize(PUBLISHED, ECOLI_SCALE),
  mass: 1.2815e9,
  transcriptionRibosome: 738.43000626947,
  transcriptionEnzyme: 14.241749430279,
  transcriptionHousekeeping: 3265.0234674151,
  // The pool of ATP, ADP and AMP, molecules, at 9.6 mM ATP: PMC6330087 table 1.
  energyPool: 5.8e6,
});

/**
 * Size of syn3A as a multiple of the published cell, which has 1e8 amino acids. The quantified proteome of syn3A has
 * 3.01e7 amino acids (Thornburg 2022, doi:10.1016/j.cell.2021.12.025, and the code of that paper).
 */
const SYN3A_SCALE = 0.301;
/**
 * Parameters of syn3A, fitted to a doubling time τ = 105 min, 503 ribosomes, and 80 % of ribosomes engaged. Lengths,
 * elongation and mRNA decay are from Thornburg 2022.
 */
const SYN3A: WeisseParameters = Object.freeze({
  ...scaledBySize(PUBLISHED, SYN3A_SCALE),
  mass: 3.01e7,
  // Amino acids of ribosomal protein per ribosome, from the genome.
  ribosomeLength: 6671,
  // Mean protein length of the proteome.
  proteinLength: 387,
  // 12 amino acids per second, as a rate per minute
  elongationMax: 720,
  // The published degradation rate of 88 nt/s · 18/452, divided by the mean mRNA length of 1 100 nt, per minute.
  mrnaDecay: 0.19,
  transcriptionRibosome: 9.40085128078,
  transcriptionEnzyme: 0.081012210654,
  transcriptionHousekeeping: 18.572631840376,
  // 3.65 mM ATP in 3.35e-17 L are 73 700 molecules; with ADP and AMP, the pool is about 7.4e4.
  energyPool: 7.4e4,
});

function cellType(type: Omit<CellType, "surroundings"> & { readonly nutrientQuality: number }): CellType {
  const { nutrientQuality, ...rest } = type;
  const surroundings = { nutrientQuality, substrate: SUBSTRATE, chloramphenicolMicromolar: 0 };
  return Object.freeze({
    ...rest,
    fullDemand: Object.freeze({ ...rest.fullDemand }),
    surroundings: Object.freeze(surroundings),
  });
}

/**
 * Full demand of E. coli: ribosomes and RNA polymerases of a cell at a doubling time of 40 min, and its genome of 4.64
 * Mbp. The ATP is the demand of the model, 4 per amino acid.
 */
const ECOLI_DEMAND = { ribosomes: 26300, rnaPolymerases: 5000, atpPerSecond: 1480454, dnaKilobases: 4642 };

const TYPES: Readonly<Record<BiologicalType, CellType>> = {
  syn3a: cellType({
    biologicalType: "syn3a",
    parameterSet: "default",
    parameters: SYN3A,
    nutrientQuality: 0.19655339702,
    // Genome CP016816.2, 543 379 bp; 503 ribosomes and 187 polymerases: Thornburg 2022.
    fullDemand: { ribosomes: 503, rnaPolymerases: 187, atpPerSecond: 13247, dnaKilobases: 543 },
    referenceGrowthRate: Math.LN2 / 105,
  }),
  ecoli: cellType({
    biologicalType: "ecoli",
    parameterSet: "default",
    parameters: ECOLI,
    nutrientQuality: 0.24303471742764,
    fullDemand: ECOLI_DEMAND,
    referenceGrowthRate: Math.LN2 / 40,
  }),
  minimal_cell: cellType({
    biologicalType: "minimal_cell",
    parameterSet: "default",
    // The parameters are those of syn3A; only the environment is poorer. syn3.0 doubles in 180 min (Hutchison 2016,
    // doi:10.1126/science.aad6253, table 2).
    parameters: SYN3A,
    nutrientQuality: 0.10139585137808,
    // 531 kbp: Hutchison 2016. The ribosomes are the model's prediction for the lower nutrient quality.
    fullDemand: { ribosomes: 368, rnaPolymerases: 187, atpPerSecond: 7727, dnaKilobases: 531 },
    referenceGrowthRate: Math.LN2 / 180,
  }),
};

/**
 * Full demand of the published cell. Ribosomes and ATP are those of the model at rest: 3 188.6 ribosomes, 4 ATP per amino
 * acid. The paper has no polymerases; theirs are those of `ecoli`, scaled by the protein mass (1 / 12.815). The genome is
 * that of E. coli.
 */
const PUBLISHED_DEMAND = { ribosomes: 3189, rnaPolymerases: 391, atpPerSecond: 160764, dnaKilobases: 4642 };
/**
 * Cap of a published cell that has its full demand of ribosomes: more ribosomes than its protein mass can make (13 247).
 * With chloramphenicol or in a richer medium the published cell makes more ribosomes than at rest, and a cell with its
 * full demand follows the paper there too.
 */
const PUBLISHED_CAP = 26300;

/** The published cell, with the name of `ecoli`. */
const WEISSE_2015: CellType = cellType({
  biologicalType: "ecoli",
  parameterSet: "weisse-2015",
  parameters: PUBLISHED,
  nutrientQuality: 0.5,
  fullDemand: PUBLISHED_DEMAND,
  ribosomeCapAtFullDemand: PUBLISHED_CAP,
  referenceGrowthRate: 0.02411453378,
});

/**
 * Returns the constants of a cell type; the object is frozen and shared. Throws a `RangeError` for an unknown name, and
 * for `weisse-2015` with any type but `ecoli`.
 */
export function cellTypeOf(
  biologicalType: BiologicalType,
  parameterSet: ParameterSetName = "default",
): CellType {
  if (!biologicalTypes.includes(biologicalType)) {
    throw new RangeError(`biologicalType: "${biologicalType}" is none of ${biologicalTypes.join(", ")}`);
  }
  if (!parameterSets.includes(parameterSet)) {
    throw new RangeError(`parameterSet: "${parameterSet}" is none of ${parameterSets.join(", ")}`);
  }
  if (parameterSet === "default") return TYPES[biologicalType];
  if (biologicalType === "ecoli") return WEISSE_2015;
  throw new RangeError(`parameterSet: "weisse-2015" is published for ecoli, not for ${biologicalType}`);
}
