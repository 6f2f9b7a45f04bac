/**
 * What a package about an organism would have to give, and nothing more. A package about JCVI's minimal cells (their genomes, their
 * essential genes, their measured rates) would implement this; BioXen holds no such code and fetches no such data.
 */
import type { BiologicalType, CellAllocation, Medium } from "@bioxen/cell-models";

export interface Organism {
  readonly biologicalType: BiologicalType;
  /** Where its numbers come from, for whoever reads a sample. */
  readonly source: string;
  /** What it needs to grow at its reference rate. */
  readonly fullDemand: Required<CellAllocation>;
  /** At full demand in its own medium, per minute. */
  readonly referenceGrowthRate: number;
  /** Amino acids in proteins at birth. */
  readonly proteinAminoAcids: number;
  /** Growth under what it was given, 0 … {@link referenceGrowthRate}, per minute. Pure; more of anything never slows it. */
  growthRate(allocation: CellAllocation, environment: Medium): number;
}

/** Stands where such a package would: growth by the scarcest resource, times the medium. Its rate is BioXen's reference for syn3A. */
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
