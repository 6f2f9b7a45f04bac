/**
 * What an allocation of the ledger lets a cell do, and what is a valid allocation or environment.
 *
 * Ribosomes act as an absolute cap on how many translate at once: a cell given 252 engages at most 252, whatever it
 * makes. Below the full demand the cap is soft: one free ribosome may bind per free place, so some places always stand
 * empty. At the full demand and above it is hard: the equations are the published ones until the last place is taken. Two
 * rules, because a soft cap at the full demand also slows a cell that is short of something else and holds many
 * idle ribosomes (syn3a with half its polymerases would double in 119.7 min instead of 118.2).
 *
 * ATP and RNA polymerases act as shares of the type's full demand, on import and on all transcription: as absolute
 * caps they do not fit the model (a capped total of transcription oscillates and lets the energy run away). A cell
 * short of import makes more transporters and so spends up to a third more ATP than its share of the full demand. More
 * than the full demand of either is no faster growth. DNA is room for the genome, which a cell has or has not: whether it was
 * given enough is the ledger's question, and it changes no rate here.
 *
 * A resource not named is 0, as everywhere in the contract. None of ribosomes or ATP is a clean suspension of growth.
 */
import { type CellResource, type CellType, cellResources } from "./cell-types.ts";
import type { Limits, Surroundings } from "./weisse.ts";

/** Integer amounts, units as in `ResourceDemand`; a name that is absent is 0. */
export type CellAllocation = Readonly<Partial<Record<CellResource, number>>>;

export interface CellEnvironment {
  /** Energy units per molecule of nutrient [n_s], dimensionless. Published range 0.08–0.5. */
  readonly nutrientQuality?: number | undefined;
  /** External nutrient, molecules. */
  readonly substrate?: number | undefined;
  /** Chloramphenicol, µM. */
  readonly chloramphenicolMicromolar?: number | undefined;
}

/**
 * Largest accepted values. Far outside what the model was fitted to, well inside what the solver was tested with:
 * 20 times the best published nutrient, 1e5 times the usual medium, 100 times a lethal dose.
 */
export const environmentBounds: Readonly<Record<keyof CellEnvironment, number>> = Object.freeze({
  nutrientQuality: 10,
  substrate: 1e9,
  chloramphenicolMicromolar: 1000,
});

/** Places under a cap below the full demand: one free ribosome each. */
const SOFT_CAP = 1;
/** At the full demand: binding is held back only when fewer places are free than 1 % of the idle ribosomes. */
const HARD_CAP = 100;

/** What the allocation lets a cell of this type use. Throws `RangeError` that lists every problem. */
export function limitsOf(type: CellType, allocation: CellAllocation): Limits {
  assertNone(allocationProblems(allocation));
  const ribosomes = allocation.ribosomes ?? 0;
  return {
    ribosomeCap: ribosomes,
    bindablePerPlace: ribosomes < type.fullDemand.ribosomes ? SOFT_CAP : HARD_CAP,
    atpShare: shareOf(allocation.atpPerSecond ?? 0, type.fullDemand.atpPerSecond),
    transcriptionShare: shareOf(allocation.rnaPolymerases ?? 0, type.fullDemand.rnaPolymerases),
  };
}

/** The environment with the type's defaults for what it does not say. Throws `RangeError` that lists every problem. */
export function surroundingsOf(type: CellType, environment: CellEnvironment): Surroundings {
  assertNone(environmentProblems(environment));
  return {
    nutrientQuality: environment.nutrientQuality ?? type.surroundings.nutrientQuality,
    substrate: environment.substrate ?? type.surroundings.substrate,
    chloramphenicolMicromolar:
      environment.chloramphenicolMicromolar ?? type.surroundings.chloramphenicolMicromolar,
  };
}

/** One sentence per problem, each beginning with the name it is about; empty when the allocation is valid. */
export function allocationProblems(allocation: CellAllocation): string[] {
  const problems: string[] = [];
  for (const [name, amount] of Object.entries(allocation)) {
    if (!(cellResources as readonly string[]).includes(name)) {
      problems.push(`${name}: is not a resource of a cell (${cellResources.join(", ")})`);
    } else if (amount !== undefined && !(Number.isSafeInteger(amount) && amount >= 0)) {
      problems.push(`${name}: ${amount} is not an integer of 0 or more`);
    }
  }
  return problems;
}

/** One sentence per problem, each beginning with the name it is about; empty when the environment is valid. */
export function environmentProblems(environment: CellEnvironment): string[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!Object.hasOwn(environmentBounds, name)) {
      problems.push(`${name}: is not part of an environment (${Object.keys(environmentBounds).join(", ")})`);
      continue;
    }
    const bound = environmentBounds[name as keyof CellEnvironment];
    if (value !== undefined && !(typeof value === "number" && value >= 0 && value <= bound)) {
      problems.push(`${name}: ${value} is not a number from 0 to ${bound}`);
    }
  }
  return problems;
}

function shareOf(allocated: number, full: number): number {
  return Math.min(1, allocated / full);
}

function assertNone(problems: readonly string[]): void {
  if (problems.length > 0) throw new RangeError(problems.join("; "));
}
