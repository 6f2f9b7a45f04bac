/**
 * The cell as seen by the guest's `cell` table: maps the names of the model to the names in Lua.
 */
import { type CellEnvironment, environmentBounds, type LivingCell } from "@bioxen/cell-models";

/** The Lua name of each field of an environment. */
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

/** The largest value of each field of an environment, by Lua name. */
export const luaEnvironmentBounds: Readonly<Record<string, number>> = inLua(environmentBounds);

/** Returns the values of `cell.…()` during a call: the cell at the moment of the call. */
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

/** Sets the environment fields that the guest requested; the others stay. Throws `RangeError` without any change. */
export function applyWanted(cell: LivingCell, wanted: Readonly<Record<string, number>>): void {
  const changes = Object.entries(ENVIRONMENT_NAMES).flatMap(([name, luaName]) => {
    const value = wanted[luaName];
    return value === undefined ? [] : [[name, value] as const];
  });
  cell.setEnvironment({ ...cell.environment, ...Object.fromEntries(changes) });
}
