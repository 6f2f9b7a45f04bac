/**
 * Converts a ledger allocation to limits of a cell, and validates allocations and environments.
 *
 * The allocated ribosomes are an absolute cap on concurrent translation. With an allocation of 252, at most 252
 * ribosomes translate, however many ribosomes the cell makes. The unused part of the cap is the cap minus the number of
 * translating ribosomes. If the cap is below the full demand, it is soft: one free ribosome may bind per unused unit,
 * so part of the cap always stays unused. If the cap is at the full demand or above, it is hard: the equations are the
 * published ones until the whole cap is used. A soft cap at the full demand would also slow a cell that lacks another
 * resource and has many idle ribosomes: syn3a with half its polymerases would double in 119.7 min instead of 118.2.
 *
 * ATP and RNA polymerases are converted to shares of the type's full demand. The share of ATP multiplies the import of
 * nutrient, and the share of RNA polymerases multiplies all transcription. Absolute caps on these two resources do not
 * fit the model: with a cap on total transcription the cell oscillates, and its energy grows without bound. A cell with
 * limited import makes more transporters, and spends up to a third more ATP than its share of the full demand. More ATP
 * or polymerases than the full demand do not increase growth. DNA is the room for the genome: the ledger checks this
 * room, which changes no rate.
 *
 * A resource that the allocation leaves out is 0, as everywhere in the contract. Without ribosomes or ATP, growth is
 * cleanly suspended.
 */
import { type CellResource, type CellType, cellResources } from "./cell-types.ts";
import type { Limits, Surroundings } from "./weisse.ts";

/** Amounts of resources: integers in the units of `ResourceDemand`. An absent resource is 0. */
export type CellAllocation = Readonly<Partial<Record<CellResource, number>>>;

export interface CellEnvironment {
  /** Energy units that a cell gains per molecule of nutrient [n_s], dimensionless. Published range 0.08–0.5. */
  readonly nutrientQuality?: number | undefined;
  /** Amount of nutrient outside the cell, molecules. */
  readonly substrate?: number | undefined;
  /** Concentration of chloramphenicol in the medium, µM. */
  readonly chloramphenicolMicromolar?: number | undefined;
}

/**
 * The largest accepted value of each field of an environment. They are 20 times the best published nutrient quality,
 * 1e5 times the substrate of the default medium, and 100 times a lethal dose of chloramphenicol. These values are far
 * outside the range to which the parameters were fitted, and well inside the range in which the solver is tested.
 */
export const environmentBounds: Readonly<Record<keyof CellEnvironment, number>> = Object.freeze({
  nutrientQuality: 10,
  substrate: 1e9,
  chloramphenicolMicromolar: 1000,
});

/**
 * Number of free ribosomes that may bind to mRNA per unused unit of the ribosome cap, if the cap is below the full
 * demand.
 */
const SOFT_CAP = 1;
/**
 * Number of free ribosomes that may bind to mRNA per unused unit of the ribosome cap, if the cap is at the full demand
 * or above. At this number, binding is limited only if the unused part of the cap is smaller than 1 % of the free
 * ribosomes.
 */
const HARD_CAP = 100;

/** Returns the limits of a cell of this type under the allocation. Throws a `RangeError` that lists every problem. */
export function limitsOf(type: CellType, allocation: CellAllocation): Limits {
  assertNone(allocationProblems(allocation));
  const ribosomes = allocation.ribosomes ?? 0;
  const isFull = ribosomes >= type.fullDemand.ribosomes;
  return {
    ribosomeCap: isFull ? Math.max(ribosomes, type.ribosomeCapAtFullDemand ?? 0) : ribosomes,
    bindablePerPlace: isFull ? HARD_CAP : SOFT_CAP,
    atpShare: shareOf(allocation.atpPerSecond ?? 0, type.fullDemand.atpPerSecond),
    transcriptionShare: shareOf(allocation.rnaPolymerases ?? 0, type.fullDemand.rnaPolymerases),
  };
}

/**
 * Returns the environment, with the defaults of the type for absent fields. Throws a `RangeError` that lists every
 * problem.
 */
export function surroundingsOf(type: CellType, environment: CellEnvironment): Surroundings {
  assertNone(environmentProblems(environment));
  return {
    nutrientQuality: environment.nutrientQuality ?? type.surroundings.nutrientQuality,
    substrate: environment.substrate ?? type.surroundings.substrate,
    chloramphenicolMicromolar:
      environment.chloramphenicolMicromolar ?? type.surroundings.chloramphenicolMicromolar,
  };
}

/** Returns one sentence per problem, each starting with the name of the field; empty if the allocation is valid. */
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

/** Returns one sentence per problem, each starting with the name of the field; empty if the environment is valid. */
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

/**
 * Returns whether two records hold the same numbers. Setting limits or surroundings to equal values must not reset the
 * solver's step.
 */
export function sameNumbers<T extends object>(a: T, b: T): boolean {
  return Object.entries(a).every(([name, value]) => value === b[name as keyof T]);
}
