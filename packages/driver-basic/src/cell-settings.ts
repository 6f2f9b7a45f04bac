/**
 * The settings in the `config` of a guest that its cell boots with.
 */
import {
  type CellModel,
  type CellOptions,
  type GeneSpec,
  type ParameterSetName,
  WEISSE,
} from "@bioxen/cell-models";
import { DriverError, type GuestSpec } from "@bioxen/vm-driver";

/**
 * Returns the settings as options of the model, which reports invalid parameter sets and genes. Throws `BAD_REQUEST` for
 * partition noise that is no boolean, and for genes if only the built-in model could have them.
 */
export function cellSettingsOf(
  config: GuestSpec["config"],
  model: CellModel,
): Pick<CellOptions, "parameterSet" | "partitionNoise" | "genes"> {
  const { parameterSet, partitionNoise, genes } = config as Readonly<Record<string, unknown>>;
  if (partitionNoise !== undefined && typeof partitionNoise !== "boolean") {
    throw new DriverError("BAD_REQUEST", "config.partitionNoise must be true or false");
  }
  if (genes !== undefined && model !== WEISSE) {
    throw new DriverError("BAD_REQUEST", `config.genes: the model ${model.name} has no genes`);
  }
  return {
    parameterSet: parameterSet as ParameterSetName | undefined,
    partitionNoise,
    genes: genes as readonly GeneSpec[] | undefined,
  };
}
