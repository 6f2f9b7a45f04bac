/**
 * The cell as the guest's `cell` table shows it: the names Lua has for what the model calls otherwise.
 */
import { type CellEnvironment, environmentBounds, type LivingCell } from "@bioxen/cell-models";

/** Lua's names of the parts of an environment. */
const ENVIRONMENT_NAMES: Readonly<Record<keyof CellEnvironment, string>> = {
  nutrientQuality: "nutrient_quality",
  substrate: "substrate",
  chloramphenicolMicromolar: "chloramphenicol_um",
};

function inLua(environment: CellEnvironment): Record<string, number> {
  const parts = Object.entries(ENVIRONMENT_NAMES).map(([name, luaName]): [string, number | undefined] => [
    luaName,
    environment[name as keyof CellEnvironment],
  ]);
  return Object.fromEntries(parts.filter((part): part is [string, number] => part[1] !== undefined));
}

/** Largest value of each part of an environment, by Lua's names. */
export const luaEnvironmentBounds: Readonly<Record<string, number>> = inLua(environmentBounds);

/** What `cell.…()` answers during a call: the cell at the moment the call was sent. */
export function cellView(cell: LivingCell): Readonly<Record<string, unknown>> {
  const sample = cell.sample();
  return {
    growth_rate: sample.growthRatePerMinute,
    doubling_time: sample.doublingTimeMinutes,
    sim_minutes: sample.simMinutes,
    ribosomes: sample.ribosomes,
    atp: {
      molecules: sample.atp.molecules,
      per_second: sample.atp.perSecond,
      cap_per_second: sample.atp.capPerSecond,
    },
    rna_polymerases: sample.rnaPolymerases,
    protein_amino_acids: sample.proteinAminoAcids,
    divisions: sample.divisions,
    health: sample.health,
    environment: inLua(cell.environment),
  };
}

/** Gives the cell the parts the guest asked for; the others stay. Throws `RangeError`, changing nothing. */
export function applyWanted(cell: LivingCell, wanted: Readonly<Record<string, number>>): void {
  const changes = Object.entries(ENVIRONMENT_NAMES).flatMap(([name, luaName]) => {
    const value = wanted[luaName];
    return value === undefined ? [] : [[name, value] as const];
  });
  cell.setEnvironment({ ...cell.environment, ...Object.fromEntries(changes) });
}
