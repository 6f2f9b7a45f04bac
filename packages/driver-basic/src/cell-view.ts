/**
 * The cell as the guest's Lua table `cell` shows it: maps the model's names to the names in Lua.
 */
import { type CellEnvironment, type HostedModel, type LivingCell, WEISSE } from "@bioxen/cell-models";

/** Maps each field of an environment of the built-in model to its name in Lua. Other models have their own names. */
const ENVIRONMENT_NAMES: Readonly<Record<keyof CellEnvironment, string>> = {
  nutrientQuality: "nutrient_quality",
  substrate: "substrate",
  chloramphenicolMicromolar: "chloramphenicol_um",
};

/** The least and the largest value of a field. */
export interface LuaBounds {
  readonly least: number;
  readonly largest: number;
}

function luaNameIn(model: HostedModel, name: string): string {
  return model === WEISSE ? ENVIRONMENT_NAMES[name as keyof CellEnvironment] : name;
}

/** Returns the bounds of each field of an environment of the model, by its name in Lua. */
export function luaEnvironmentBounds(model: HostedModel): Readonly<Record<string, LuaBounds>> {
  return Object.fromEntries(
    model.environment.map(({ name, range: [least, largest] }) => [
      luaNameIn(model, name),
      { least, largest },
    ]),
  );
}

/**
 * Returns the values that the functions `cell.…()` return during a call. They describe the cell at the start of the
 * call.
 */
export function cellView({
  cell,
  model,
}: {
  readonly cell: LivingCell;
  readonly model: HostedModel;
}): Readonly<Record<string, unknown>> {
  const sample = cell.sample();
  const { atp } = sample;
  return {
    growth_rate: sample.growthRatePerMinute,
    doubling_time: sample.doublingTimeMinutes,
    sim_minutes: sample.simMinutes,
    ribosomes: sample.ribosomes,
    atp: atp && {
      molecules: atp.molecules,
      per_second: atp.perSecond,
      cap_per_second: atp.capPerSecond,
    },
    rna_polymerases: sample.rnaPolymerases,
    protein_amino_acids: sample.proteinAminoAcids,
    divisions: sample.divisions,
    health: sample.health,
    outputs: sample.outputs ?? {},
    environment: Object.fromEntries(
      Object.entries(cell.environment).map(([name, value]) => [luaNameIn(model, name), value]),
    ),
  };
}

/**
 * Applies the environment changes that the guest requested. `wanted` maps Lua names of fields to new values; all other
 * fields keep their values. Throws `RangeError` if a value is invalid, and then changes nothing.
 */
export function applyWanted(
  { cell, model }: { readonly cell: LivingCell; readonly model: HostedModel },
  wanted: Readonly<Record<string, number>>,
): void {
  const changes = model.environment.flatMap(({ name }) => {
    const value = wanted[luaNameIn(model, name)];
    return value === undefined ? [] : [[name, value] as const];
  });
  cell.setEnvironment({ ...cell.environment, ...Object.fromEntries(changes) });
}
