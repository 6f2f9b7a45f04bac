/**
 * The attachment point for a package about JCVI's organisms: this bridge makes a cell model from an {@link Organism}.
 * `BIOXEN_CELL_MODEL=@bioxen-examples/jcvi-bridge` selects that model for the cells of an agent. The bridge does what
 * every cell model must do (time, divisions, validation, snapshots); the organism provides the growth rate.
 */
import type {
  CellAllocation,
  CellModel,
  LivingCell,
  MediumFields,
  ModelOptions,
  ModelSample,
  ModelSnapshot,
} from "@bioxen/cell-models";
import { type Medium, type Organism, STAND_IN } from "./organism.ts";

/** The largest concentration of chloramphenicol, µM, as in BioXen's own model. */
const MAX_CHLORAMPHENICOL_MICROMOLAR = 1_000;

interface Lived {
  readonly simMinutes: number;
  readonly divisions: number;
  /** Progress of the cell from its last division (0) to its next one (1). */
  readonly progress: number;
}

export function bridgeTo(organism: Organism): CellModel {
  const { biologicalType, fullDemand, source } = organism;
  return {
    name: "organism-bridge",
    version: 2,
    description: `The cell of an organism package: ${source}.`,
    parameters: [],
    environment: [
      {
        name: "chloramphenicolMicromolar",
        unit: "µM",
        range: [0, MAX_CHLORAMPHENICOL_MICROMOLAR],
        default: 0,
        description: "Concentration of chloramphenicol in the medium.",
      },
    ],
    outputs: [],
    parameterSets: [],
    biologicalTypes: [{ name: biologicalType, fullDemand }],
    limitedBy: ["ribosomes", "rnaPolymerases", "atpPerSecond"],
    boot: (options) => boot(organism, options),
    restore: (snapshot) => restore(organism, snapshot),
  };
}

/** The cell model. An agent loads it from this module by the name `cellModel`. */
export const cellModel = bridgeTo(STAND_IN);

function boot(organism: Organism, { allocation, environment }: ModelOptions): LivingCell {
  const begun = { simMinutes: 0, divisions: 0, progress: 0 };
  return new BridgedCell(organism, allocation, mediumOf(environment), begun);
}

function restore(organism: Organism, snapshot: ModelSnapshot): LivingCell {
  const { allocation, environment, lived } = snapshot as ModelSnapshot & Partial<Inside>;
  if (!allocation || !environment || !isLived(lived)) {
    throw new RangeError("snapshot: is not of this organism");
  }
  return new BridgedCell(organism, allocation, environment, lived);
}

/** Returns the medium. The driver gives a value for every declared field. */
function mediumOf(environment: MediumFields): Medium {
  return { chloramphenicolMicromolar: environment["chloramphenicolMicromolar"] ?? 0 };
}

interface Inside {
  readonly allocation: CellAllocation;
  readonly environment: Medium;
  readonly lived: Lived;
}

class BridgedCell implements LivingCell {
  readonly #organism: Organism;
  #allocation: CellAllocation;
  #environment: Medium;
  #lived: Lived;

  constructor(organism: Organism, allocation: CellAllocation, environment: Medium, lived: Lived) {
    this.#organism = organism;
    this.#allocation = { ...allocation };
    this.#environment = { ...environment };
    this.#lived = lived;
  }

  get simMinutes(): number {
    return this.#lived.simMinutes;
  }

  get allocation(): CellAllocation {
    return { ...this.#allocation };
  }

  get environment(): Readonly<Record<string, number>> {
    return { ...this.#environment };
  }

  advance(minutes: number): number {
    const before = this.#lived.divisions;
    const perMinute = this.#growthRate() / Math.LN2;
    for (let minute = 0; minute < minutes; minute += 1) {
      const { simMinutes, divisions, progress } = this.#lived;
      const generations = progress + perMinute;
      const whole = Math.floor(generations);
      this.#lived = {
        simMinutes: simMinutes + 1,
        divisions: divisions + whole,
        progress: generations - whole,
      };
    }
    return this.#lived.divisions - before;
  }

  sample(): ModelSample {
    const { referenceGrowthRate, fullDemand, proteinAminoAcids } = this.#organism;
    const rate = this.#growthRate();
    const share = rate / referenceGrowthRate;
    const { simMinutes, divisions, progress } = this.#lived;
    return {
      simMinutes,
      growthRatePerMinute: rate,
      doublingTimeMinutes: rate === 0 ? null : Math.LN2 / rate,
      ribosomes: {
        total: fullDemand.ribosomes,
        engaged: Math.round(fullDemand.ribosomes * share),
        cap: this.#allocation.ribosomes ?? 0,
      },
      atp: {
        molecules: 0,
        perSecond: fullDemand.atpPerSecond * share,
        capPerSecond: this.#allocation.atpPerSecond ?? 0,
      },
      rnaPolymerases: { cap: this.#allocation.rnaPolymerases ?? 0 },
      proteinAminoAcids: proteinAminoAcids * 2 ** progress,
      divisions,
      health: Math.round(100 * Math.min(1, share)),
    };
  }

  setAllocation(allocation: CellAllocation): void {
    this.#allocation = { ...allocation };
  }

  setEnvironment(environment: MediumFields): void {
    this.#environment = mediumOf(environment);
  }

  snapshot(): Readonly<Record<string, unknown>> {
    return {
      allocation: this.allocation,
      environment: this.environment,
      lived: { ...this.#lived },
    };
  }

  #growthRate(): number {
    return this.#organism.growthRate(this.#allocation, this.#environment);
  }
}

function isLived(lived: Lived | undefined): lived is Lived {
  if (lived === undefined) return false;
  const { simMinutes, divisions, progress } = lived;
  return (
    [simMinutes, divisions].every((count) => Number.isSafeInteger(count) && count >= 0) &&
    progress >= 0 &&
    progress < 1
  );
}
