/** A measurement of a cell. */

export interface CellSample {
  readonly simMinutes: number;
  readonly growthRatePerMinute: number;
  /** The doubling time at the current growth rate, minutes; null without growth. */
  readonly doublingTimeMinutes: number | null;
  /** Numbers of ribosomes, molecules. `engaged` exceeds `cap` only for some minutes after the cap was lowered. */
  readonly ribosomes: { readonly total: number; readonly engaged: number; readonly cap: number };
  /**
   * `perSecond` is the ATP that translation consumes. `capPerSecond` limits the import of nutrient and not the
   * consumption, so `perSecond` can exceed it temporarily or slightly.
   */
  readonly atp: { readonly molecules: number; readonly perSecond: number; readonly capPerSecond: number };
  readonly rnaPolymerases: { readonly cap: number };
  readonly proteinAminoAcids: number;
  readonly divisions: number;
  /** Growth rate in percent of the type's reference rate: an integer from 0 to 100. */
  readonly health: number;
  /** Ribosomal share φ_R of the protein mass, 0..1. */
  readonly ribosomalMassFraction: number;
  /**
   * Amounts of each gene, molecules: `<name>.mrna`, `<name>.complex` and `<name>.protein`. Absent in a cell without
   * genes.
   */
  readonly outputs?: Readonly<Record<string, number>>;
}
