/**
 * The interface that a package about an organism must implement, for instance a package about JCVI's minimal cells with
 * their genomes, essential genes and measured rates. BioXen contains no such code and downloads no such data.
 */
import type { BiologicalType, CellAllocation, ResourceDemand } from "@bioxen/cell-models";

export interface Medium {
  /** Concentration of chloramphenicol, µM. */
  readonly chloramphenicolMicromolar: number;
}

export interface Organism {
  readonly biologicalType: BiologicalType;
  /** The source of the organism's numbers, for readers of a sample. */
  readonly source: string;
  /** Amounts of the resources with which the organism grows at its reference rate. */
  readonly fullDemand: ResourceDemand;
  /** The growth rate at full demand in the default medium, per minute. */
  readonly referenceGrowthRate: number;
  /** Protein of a cell at birth, amino acids. */
  readonly proteinAminoAcids: number;
  /**
   * Returns the growth rate under an allocation in an environment, 0 … {@link referenceGrowthRate}, per minute. The
   * function must be pure, and a larger allocation must never lower the rate.
   */
  growthRate(allocation: CellAllocation, environment: Medium): number;
}

/**
 * A placeholder organism in place of a real package. The scarcest resource determines its growth, multiplied by a
 * factor of the medium. Its reference growth rate is that of BioXen for syn3a.
 */
export const STAND_IN: Organism = {
  biologicalType: "syn3a",
  source: "a stand-in: Liebig's law of the minimum on BioXen's own demand, not a model of syn3A",
  fullDemand: { ribosomes: 503, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 },
  referenceGrowthRate: Math.LN2 / 105,
  proteinAminoAcids: 1.2e7,
  growthRate(allocation, environment) {
    const shares = (["ribosomes", "rnaPolymerases", "atpPerSecond"] as const).map((name) =>
      Math.min(1, (allocation[name] ?? 0) / this.fullDemand[name]),
    );
    const poisoned = 1 / (1 + environment.chloramphenicolMicromolar);
    return this.referenceGrowthRate * Math.min(...shares) * poisoned;
  },
};
