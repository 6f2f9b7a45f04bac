/**
 * The cell models that agents announce, and what follows from them for a VM: its full demand, and where it can run.
 *
 * Every agent with the built-in driver has the built-in model; only its other models are announced, with the
 * registration of each chassis. Two agents can announce different versions of one model: requests are checked against
 * the newest one, and each agent checks them again against its own.
 */
import {
  type DeclaredQuantity,
  declarationProblems,
  fullDemandOf,
  type ModelDeclaration,
  WEISSE_DECLARATION,
} from "@bioxen/cell-models/declarations";
import type { Amounts } from "@bioxen/kernel";
import * as z from "zod";
import { refuse } from "./errors.ts";
import { CELL_RESOURCES, type VmTypes } from "./resources.ts";
import { amount, recordedAmounts } from "./schemas.ts";

export type { DeclaredQuantity, ModelDeclaration };

/** Maximum number of models that an agent announces. Each registration of a chassis contains all of them. */
export const MAX_MODELS = 8;
/** Name of the model of a VM whose config names none. */
export const DEFAULT_MODEL = WEISSE_DECLARATION.name;

const quantity = {
  name: z.string(),
  unit: z.string(),
  range: z.tuple([z.number(), z.number()]),
  default: z.number(),
  description: z.string(),
};
const variable = { name: z.string(), unit: z.string() };
const numbers = z.record(z.string(), z.number());
const demand = z.partialRecord(z.enum(CELL_RESOURCES), amount);
const parameterSet = {
  name: z.string(),
  description: z.string(),
  parameters: numbers.optional(),
  environment: numbers.optional(),
  biologicalTypes: z.array(z.string()).optional(),
};
const biologicalType = { name: z.string(), environment: numbers.optional() };
const own = { name: z.string(), version: z.int(), description: z.string() };

/** A declaration in a request: it has no unknown field and no problem. */
const announcedModel = z
  .strictObject({
    ...own,
    parameters: z.array(z.strictObject(quantity)),
    environment: z.array(z.strictObject(quantity)),
    outputs: z.array(z.strictObject(quantity)),
    parameterSets: z.array(z.strictObject({ ...parameterSet, fullDemand: demand.optional() })),
    biologicalTypes: z.array(z.strictObject({ ...biologicalType, fullDemand: demand })),
    limitedBy: z.array(z.enum(CELL_RESOURCES)),
    stateVariables: z.array(z.strictObject(variable)).optional(),
  })
  .superRefine((model, context) => {
    for (const problem of declarationProblems(model)) {
      const [path = "", ...message] = problem.split(": ");
      const at = message.length === 0 ? [] : path.split(".");
      context.addIssue({
        code: "custom",
        path: at,
        message: message.length === 0 ? problem : message.join(": "),
      });
    }
    if (model.name === DEFAULT_MODEL) {
      const message = `${DEFAULT_MODEL} is the name of the built-in model, which is not announced`;
      context.addIssue({ code: "custom", path: ["name"], message });
    }
  });

/** The models of an agent beside the built-in one, as it announces them with each of its chassis. */
export const announcedModels = z
  .array(announcedModel)
  .max(MAX_MODELS)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "must name each model once");

/** A declaration in an event or a view. */
export const recordedModel = z
  .object({
    ...own,
    parameters: z.array(z.object(quantity)),
    environment: z.array(z.object(quantity)),
    outputs: z.array(z.object(quantity)),
    parameterSets: z.array(z.object({ ...parameterSet, fullDemand: recordedAmounts.optional() })),
    biologicalTypes: z.array(z.object({ ...biologicalType, fullDemand: recordedAmounts })),
    limitedBy: z.array(z.string()),
    stateVariables: z.array(z.object(variable)).optional(),
  })
  .meta({ id: "ModelDeclaration" });
export type RecordedModel = z.infer<typeof recordedModel>;

/** Models by name. */
export type KnownModels = ReadonlyMap<string, ModelDeclaration>;

/** A chassis with its announced models; none of one that is not registered. */
interface WithModels {
  readonly models?: readonly RecordedModel[] | undefined;
}
type Config = Readonly<Record<string, unknown>>;

/** The built-in model alone. */
export const BUILT_IN_MODELS: KnownModels = new Map([[DEFAULT_MODEL, WEISSE_DECLARATION]]);

/** Returns the models that can matter to this config. It reads the chassis only for another model than the built-in one. */
export function modelsFor(config: Config | undefined, chassis: () => Iterable<WithModels>): KnownModels {
  if (otherModelOf(config) === undefined) return BUILT_IN_MODELS;
  return knownModels(chassis());
}

/** Returns the refusal of a config whose model is none of these; undefined if it is. */
export function modelRefusal(config: Config, models: KnownModels) {
  if (modelOf(config, models) !== undefined) return undefined;
  const names = [...models.keys()].sort();
  const message = `no agent announces the cell model ${otherModelOf(config)}: use ${names.join(", ")}`;
  return refuse("MODEL_NOT_FOUND", message, { details: { models: names } });
}

/** Returns the built-in model and those that these chassis announce; of several versions the newest. */
export function knownModels(chassis: Iterable<WithModels>): KnownModels {
  const known = new Map(BUILT_IN_MODELS);
  for (const { models = [] } of chassis) {
    for (const model of models) {
      const before = known.get(model.name);
      if (before === undefined || before.version < model.version)
        known.set(model.name, model as ModelDeclaration);
    }
  }
  return known;
}

/** Returns the name of the model that this config asks for beside the built-in one; undefined: the built-in one. */
export function otherModelOf({ model }: Config = {}): string | undefined {
  return typeof model === "string" && model !== DEFAULT_MODEL ? model : undefined;
}

/** Returns the declaration of the VM's model; undefined if no chassis announces it. */
export function modelOf(config: Config, models: KnownModels): ModelDeclaration | undefined {
  return models.get(otherModelOf(config) ?? DEFAULT_MODEL);
}

/** Returns true if the chassis runs VMs of this config's model. */
export function hasModelOf({ models = [] }: WithModels, config: Config | undefined): boolean {
  const name = otherModelOf(config);
  return name === undefined || models.some((one) => one.name === name);
}

/** Returns the types of a VM with the full demand of its model. The built-in model's follows from the types. */
export function withDemand(
  { biologicalType: type, vmType, config = {} }: VmTypes & { readonly config?: Config | undefined },
  models: KnownModels,
): VmTypes {
  const model = modelOf(config, models);
  if (model === undefined) return { biologicalType: type, vmType };
  const { parameterSet: chosen } = config;
  const full = fullDemandOf(model, { biologicalType: type, parameterSet: chosen }) as Amounts | undefined;
  return { biologicalType: type, vmType, ...(full === undefined ? {} : { cellDemand: full }) };
}
