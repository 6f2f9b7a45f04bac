/**
 * The settings in the `config` of a guest that its cell boots with: the model, and what the model declares.
 */
import {
  type BootOptions,
  type CellModel,
  type GeneSpec,
  type HostedModel,
  hosted,
  type Quantities,
  WEISSE,
} from "@bioxen/cell-models";
import { DriverError, type GuestSpec } from "@bioxen/vm-driver";

/** The models of a driver by name: the built-in one and those of other packages. */
export type Models = ReadonlyMap<string, HostedModel>;

/** Returns the built-in model and these. */
export function modelsWith(others: readonly CellModel[] = []): Models {
  const all = [WEISSE, ...others.map(hosted)];
  return new Map(all.map((model) => [model.name, model]));
}

/** Returns the name of the model in `config`; without one, that of the built-in model. */
export function modelNameOf(config: GuestSpec["config"]): string {
  const { model = WEISSE.name } = config as { readonly model?: unknown };
  if (typeof model === "string") return model;
  throw new DriverError("BAD_REQUEST", "config.model must be the name of a model");
}

/** Returns the model of a guest with this `config`. Throws `BAD_REQUEST`, and `UNSUPPORTED` for a model that is not here. */
export function modelOf(config: GuestSpec["config"], models: Models): HostedModel {
  const name = modelNameOf(config);
  const model = models.get(name);
  if (model !== undefined) return model;
  throw new DriverError(
    "UNSUPPORTED",
    `there is no model ${name} here: use ${[...models.keys()].join(", ")}`,
  );
}

/**
 * Returns what the model boots the cell of the spec with; the model reports every value that is invalid. Throws
 * `BAD_REQUEST` for values that are of no use to any model.
 */
export function bootOptionsOf(spec: GuestSpec, model: HostedModel): BootOptions {
  const { biologicalType, allocation, environment, seed, config } = spec;
  const { parameterSet, parameters, noise, partitionNoise, age, lineage, genes } = config as Readonly<
    Record<string, unknown>
  >;
  if (genes !== undefined && model !== WEISSE) {
    throw new DriverError("BAD_REQUEST", `config.genes: the model ${model.name} has no genes`);
  }
  if (model === WEISSE && Object.keys(parameters ?? {}).length > 0) {
    throw new DriverError("BAD_REQUEST", `config.parameters: the model ${model.name} has no parameters`);
  }
  return {
    biologicalType,
    allocation,
    environment,
    seed,
    parameterSet: parameterSet as string | undefined,
    parameters: parameters as Quantities | undefined,
    noise: noise as BootOptions["noise"],
    partitionNoise: partitionNoise as BootOptions["partitionNoise"],
    age: age as BootOptions["age"],
    lineage: lineage as BootOptions["lineage"],
    genes: genes as readonly GeneSpec[] | undefined,
  };
}
