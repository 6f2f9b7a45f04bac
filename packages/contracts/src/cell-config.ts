/**
 * The settings of a cell in the `config` and the `environment` of a VM, checked against the types of the VM and the
 * declaration of its model. Creates, plans, fleet files and experiments use the same check. Pools check the settings of
 * machines.
 */
import {
  chanceProblems,
  environmentValueProblems,
  type ModelDeclaration,
  settingProblems,
} from "@bioxen/cell-models/declarations";
import { type GeneSpec, geneProblems, geneVariables } from "@bioxen/cell-models/genes";
import { closestWord } from "@bioxen/kernel";
import { ALLOCATION_FIELDS, CELL_FIELDS, type CourseColumn, GROWTH_FIELDS, STATE_FIELDS } from "./courses.ts";
import { NO_FIELD, type Problem } from "./endpoints/problem.ts";
import { DEFAULT_MODEL, type KnownModels, knownModels, modelOf, otherModelOf } from "./models.ts";
import type { VmTypes } from "./resources.ts";

/** Settings in the `config` of a VM that are those of its cell. */
export const CELL_SETTINGS: readonly string[] = [
  "model",
  "parameters",
  "parameterSet",
  "noise",
  "partitionNoise",
  "age",
  "lineage",
  "genes",
];
/** Settings that only the built-in model has. */
const BUILT_IN_SETTINGS: readonly string[] = ["noise", "partitionNoise", "age", "lineage", "genes"];

type Config = Readonly<Record<string, unknown>>;
type Fields = Readonly<Record<string, unknown>>;

/** What a request says of a cell. */
export interface CellRequest extends VmTypes {
  readonly config: Config;
  readonly environment?: Fields | undefined;
  readonly schedule?: readonly { readonly environment?: Fields | undefined }[] | undefined;
}

/**
 * Returns the problems of the config, the environment and the schedule of a VM. Without `models` only the built-in model
 * is known, and the settings of another model are checked by the service that knows it.
 */
export function cellProblems(request: CellRequest, models?: KnownModels): Problem[] {
  const { environment = {}, schedule = [], config } = request;
  const scheduled = schedule.map(
    (entry, i) => [`schedule.${i}.environment`, entry.environment ?? {}] as const,
  );
  const media = [["environment", environment] as const, ...scheduled];
  return [
    ...configProblems(request, config, models),
    ...media.flatMap(([path, fields]) => mediumProblems(path, fields, config, models)),
  ];
}

/** Returns the problems of `config` of a VM of these types. */
export function configProblems(types: VmTypes, config: Config, models?: KnownModels): Problem[] {
  return [
    ...modelProblems(types, config, models),
    ...circuitProblems(config),
    ...noiseProblems(types, config),
    ...unknownSettings(types, config),
  ];
}

/** Returns the problems of the fields of an environment at `path`, for the model of `config`. */
export function mediumProblems(
  path: string,
  fields: Fields,
  config: Config,
  models?: KnownModels,
): Problem[] {
  const model = declared(config, models);
  if (model === undefined) return [];
  const names = model.environment.map(({ name }) => name);
  return environmentValueProblems(model, fields).map(({ path: at, message }) => {
    const name = at.slice("environment.".length);
    if (names.includes(name)) return { path: `${path}.${name}`, message };
    const meant = closestWord(name, names);
    const hint = meant === undefined ? "" : `: did you mean ${path}.${meant}?`;
    return { path: `${path}.${name}`, message: `${NO_FIELD}${hint}` };
  });
}

/** Returns the declaration of the model of `config`; undefined if it is not known here. */
function declared(config: Config, models: KnownModels = knownModels([])): ModelDeclaration | undefined {
  return modelOf(config, models);
}

/** Returns the problems of the choice of the model, its parameter set and its parameters. */
function modelProblems(types: VmTypes, config: Config, models?: KnownModels): Problem[] {
  const { model: name, parameterSet, parameters } = config;
  const at = (path: string) => `config.${path}`;
  if (name !== undefined && typeof name !== "string") {
    return [{ path: at("model"), message: "must be the name of a model" }];
  }
  const other = otherModelOf(config);
  if (other !== undefined && types.vmType !== "basic") {
    return [
      { path: at("model"), message: `must be ${DEFAULT_MODEL}: the cell in a machine has no other model` },
    ];
  }
  const model = declared(config, models);
  if (model === undefined) return [];
  if (other === undefined) return builtInProblems(types, config, model);
  const { biologicalType } = types;
  const foreign = BUILT_IN_SETTINGS.filter((setting) => config[setting] !== undefined);
  return [
    ...settingProblems(model, { biologicalType, parameterSet, parameters }).map(({ path, message }) => ({
      path: path === "biologicalType" ? path : at(path),
      message,
    })),
    ...foreign.map((setting) => ({ path: at(setting), message: `is a setting of ${DEFAULT_MODEL} only` })),
  ];
}

/** Returns the problems of the parameter set: the published, unscaled parameters exist for E. coli only. */
function builtInProblems(
  { biologicalType }: VmTypes,
  { parameterSet, parameters }: Config,
  model: ModelDeclaration,
): Problem[] {
  const problems = settingProblems(model, { biologicalType, parameterSet, parameters });
  return problems.map(({ path, message }) =>
    path === "parameterSet"
      ? { path: "config.parameterSet", message: 'must be "default", or "weisse-2015" for ecoli' }
      : { path: `config.${path}`, message },
  );
}

/** Returns the problems of the genes of a circuit, each with the path of its value. */
function circuitProblems(config: Config): Problem[] {
  const { genes } = config;
  if (genes === undefined || otherModelOf(config) !== undefined) return [];
  return geneProblems(genes).map(({ path, message }) => ({ path: `config.${path}`, message }));
}

/** Returns the problems of what is random in the cell, and of what becomes of its daughters. */
function noiseProblems({ vmType }: VmTypes, config: Config): Problem[] {
  if (otherModelOf(config) !== undefined) return [];
  const problems = chanceProblems(config).map(({ path, message }) => ({ path: `config.${path}`, message }));
  if (vmType === "basic" || config["lineage"] !== "both") return problems;
  return [...problems, { path: "config.lineage", message: "must be one: a machine cannot divide" }];
}

/**
 * Returns the fields of a cell with this `config`, in the order of their columns in a time course; undefined if its model
 * is not known here.
 */
export function cellFieldsOf(config: Config, models?: KnownModels): readonly CourseColumn[] | undefined {
  if (otherModelOf(config) !== undefined) {
    const model = declared(config, models);
    return model && fieldsOfModel(model);
  }
  const { genes } = config;
  if (genes === undefined || geneProblems(genes).length > 0) return CELL_FIELDS;
  const ofGenes = geneVariables(genes as readonly GeneSpec[]).map((name) => ({ name, unit: "molecules" }));
  return [...STATE_FIELDS, ...ofGenes, ...CELL_FIELDS.slice(STATE_FIELDS.length)];
}

function fieldsOfModel({
  stateVariables = [],
  outputs,
  environment,
}: ModelDeclaration): readonly CourseColumn[] {
  return [
    ...stateVariables,
    ...GROWTH_FIELDS,
    ...outputs.map(({ name, unit }) => ({ name, unit })),
    ...ALLOCATION_FIELDS,
    ...environment.map(({ name, unit }) => ({ name: `environment.${name}`, unit })),
  ];
}

/** Returns one problem for each setting of a cell that its model does not have. */
function unknownSettings({ vmType }: VmTypes, config: Config): Problem[] {
  if (vmType !== "basic") return [];
  const unknown = Object.keys(config).filter((name) => !CELL_SETTINGS.includes(name));
  return unknown.map((name) => {
    const meant = closestWord(name, CELL_SETTINGS);
    const hint = meant === undefined ? `use ${CELL_SETTINGS.join(", ")}` : `did you mean config.${meant}?`;
    return { path: `config.${name}`, message: `is not a setting of a cell: ${hint}` };
  });
}
