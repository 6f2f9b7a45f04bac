/**
 * The cell as the guest's Lua table `cell` shows it: maps the model's names to the names in Lua.
 */
import { type CellEnvironment, environmentBounds, type LivingCell } from "@bioxen/cell-models";

/** Maps each field of an environment to its name in Lua. */
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

/** The largest allowed value of each environment field; the key is the field's name in Lua. */
export const luaEnvironmentBounds: Readonly<Record<string, number>> = inLua(environmentBounds);

/**
 * Returns the values that the functions `cell.…()` return during a call. They describe the cell at the start of the
 * call.
 */
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
    outputs: sample.outputs ?? {},
    environment: inLua(cell.environment),
  };
}

/**
 * Applies the environment changes that the guest requested. `wanted` maps Lua names of fields to new values; all other
 * fields keep their values. Throws `RangeError` if a value is invalid, and then changes nothing.
 */
export function applyWanted(cell: LivingCell, wanted: Readonly<Record<string, number>>): void {
  const changes = Object.entries(ENVIRONMENT_NAMES).flatMap(([name, luaName]) => {
    const value = wanted[luaName];
    return value === undefined ? [] : [[name, value] as const];
  });
  cell.setEnvironment({ ...cell.environment, ...Object.fromEntries(changes) });
}
