/**
 * The attachment point for a package about JCVI's organisms: this bridge makes a cell model from an {@link Organism}.
 * `BIOXEN_CELL_MODEL=@bioxen-examples/jcvi-bridge` selects that model for the cells of an agent. The bridge does what
 * every cell model must do (time, divisions, validation, snapshots); the organism provides the growth rate.
 */
import {
  allocationProblems,
  type CellAllocation,
  type CellEnvironment,
  type CellModel,
  type CellOptions,
  type CellSample,
  environmentProblems,
  type LivingCell,
  type Medium,
  type ModelSnapshot,
} from "@bioxen/cell-models";
import { type Organism, STAND_IN } from "./organism.ts";

const NAME = "organism-bridge";
const MEDIUM: Medium = {
  nutrientQuality: 0.5,
  substrate: 10_000,
  chloramphenicolMicromolar: 0,
};

interface Lived {
  readonly simMinutes: number;
  readonly divisions: number;
  /** Progress of the cell from its last division (0) to its next one (1). */
  readonly progress: number;
}

export function bridgeTo(organism: Organism): CellModel {
  return {
    name: NAME,
    version: 1,
    boot: (options) => boot(organism, options),
    restore: (snapshot) => restore(organism, snapshot),
  };
}

/** The cell model. An agent loads it from this module by the name `cellModel`. */
export const cellModel = bridgeTo(STAND_IN);

function boot(
  organism: Organism,
  { biologicalType, allocation, environment, seed }: CellOptions,
): LivingCell {
  const problems = [...allocationProblems(allocation), ...environmentProblems(environment ?? {})];
  if (biologicalType !== organism.biologicalType) {
    problems.push(`biologicalType: this organism is a ${organism.biologicalType}, not a ${biologicalType}`);
  }
  if (!(Number.isSafeInteger(seed) && seed >= 0)) problems.push("seed: is not an integer of 0 or more");
  requireNone(problems);
  const begun = { simMinutes: 0, divisions: 0, progress: 0 };
  return new BridgedCell(organism, allocation, mediumOf(environment ?? {}), begun);
}

function restore(organism: Organism, snapshot: ModelSnapshot): LivingCell {
  const { biologicalType, allocation, environment, lived } = snapshot as ModelSnapshot & Partial<Inside>;
  if (biologicalType !== organism.biologicalType || !allocation || !environment || !isLived(lived)) {
    throw new RangeError("snapshot: is not of this organism");
  }
  requireNone([...allocationProblems(allocation), ...environmentProblems(environment)]);
  return new BridgedCell(organism, allocation, environment, lived);
}

/** Returns the environment, with the value of the organism's default medium for each absent field. */
function mediumOf({ nutrientQuality, substrate, chloramphenicolMicromolar }: CellEnvironment): Medium {
  return {
    nutrientQuality: nutrientQuality ?? MEDIUM.nutrientQuality,
    substrate: substrate ?? MEDIUM.substrate,
    chloramphenicolMicromolar: chloramphenicolMicromolar ?? MEDIUM.chloramphenicolMicromolar,
  };
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

  get environment(): Medium {
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

  sample(): CellSample {
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
      ribosomalMassFraction: 0,
    };
  }

  setAllocation(allocation: CellAllocation): void {
    requireNone(allocationProblems(allocation));
    this.#allocation = { ...allocation };
  }

  setEnvironment(environment: CellEnvironment): void {
    requireNone(environmentProblems(environment));
    this.#environment = mediumOf(environment);
  }

  snapshot(): ModelSnapshot {
    return {
      biologicalType: this.#organism.biologicalType,
      parameterSet: "default",
      partitionNoise: false,
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

function requireNone(problems: readonly string[]): void {
  if (problems.length > 0) throw new RangeError(problems.join("; "));
}
