/**
 * What a user says about a cell, checked against the declaration of its model, and completed with the defaults.
 */
import type {
  DeclaredDemand,
  DeclaredQuantity,
  DeclaredSet,
  DeclaredType,
  ModelDeclaration,
} from "./model-declaration.ts";
import { isWithin } from "./model-declaration.ts";

/** Name of the parameter set that every model has: the defaults of its parameters. */
export const DEFAULT_SET = "default";

/** A fault of a setting: where it is, such as `parameters.dilutionRate`, and what is wrong there. */
export interface SettingProblem {
  readonly path: string;
  readonly message: string;
}

/** The settings of a cell that its model's declaration describes. */
export interface ModelSettings {
  readonly biologicalType: string;
  readonly parameterSet?: unknown;
  readonly parameters?: unknown;
}

/** Returns the problems of the type, the parameter set and the parameters. */
export function settingProblems(model: ModelDeclaration, settings: ModelSettings): SettingProblem[] {
  const { biologicalType, parameters = {} } = settings;
  const problems: SettingProblem[] = [];
  if (typeOf(model, biologicalType) === undefined) {
    const types = model.biologicalTypes.map(({ name }) => name).join(", ");
    problems.push({ path: "biologicalType", message: `is not one of the model ${model.name}: use ${types}` });
  }
  problems.push(...setProblems(model, settings));
  if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters)) {
    return [...problems, { path: "parameters", message: "must be an object of numbers" }];
  }
  return [
    ...problems,
    ...valueProblems("parameters", model.parameters, parameters, `of the model ${model.name}`),
  ];
}

function setProblems(
  model: ModelDeclaration,
  { biologicalType, parameterSet }: ModelSettings,
): SettingProblem[] {
  if (parameterSet === undefined || parameterSet === DEFAULT_SET) return [];
  const sets = model.parameterSets.filter((one) => describes(one, biologicalType)).map(({ name }) => name);
  if (sets.some((name) => name === parameterSet)) return [];
  const known = [...new Set([DEFAULT_SET, ...sets])].join(", ");
  const message = `is not a set of the model ${model.name} for ${biologicalType}: use ${known}`;
  return [{ path: "parameterSet", message }];
}

/** Returns the problems of the fields of an environment; a field that is left out has its default. */
export function environmentValueProblems(model: ModelDeclaration, environment: object): SettingProblem[] {
  return valueProblems(
    "environment",
    model.environment,
    environment,
    `of an environment of the model ${model.name}`,
  );
}

function valueProblems(
  path: string,
  declared: readonly DeclaredQuantity[],
  values: object,
  whose: string,
): SettingProblem[] {
  return Object.entries(values).flatMap(([name, value]): SettingProblem[] => {
    if (value === undefined) return [];
    const quantity = declared.find((one) => one.name === name);
    const at = `${path}.${name}`;
    if (quantity === undefined) {
      const names = declared.map((one) => one.name).join(", ");
      return [
        { path: at, message: `is not a field ${whose}: ${names === "" ? "it has none" : `use ${names}`}` },
      ];
    }
    if (isWithin(value, quantity.range)) return [];
    const [least, largest] = quantity.range;
    return [{ path: at, message: `must be a number from ${least} to ${largest} (unit ${quantity.unit})` }];
  });
}

/** Returns the value of every parameter: of the settings, else of the chosen set, else its default. */
export function parametersOf(
  model: ModelDeclaration,
  settings: ModelSettings,
): Readonly<Record<string, number>> {
  const given = (settings.parameters ?? {}) as Readonly<Record<string, number>>;
  const ofSet = chosenSet(model, settings)?.parameters ?? {};
  return completed(model.parameters, [given, ofSet]);
}

/** Returns the value of every field: of `environment`, else the default of the set, of the type, or of the field. */
export function environmentOf(
  model: ModelDeclaration,
  settings: ModelSettings,
  environment: Readonly<Record<string, number | undefined>>,
): Readonly<Record<string, number>> {
  const ofSet = chosenSet(model, settings)?.environment ?? {};
  const ofType = typeOf(model, settings.biologicalType)?.environment ?? {};
  return completed(model.environment, [environment, ofSet, ofType]);
}

/** Returns the full demand of a cell with these settings; undefined if the model does not have its type. */
export function fullDemandOf(model: ModelDeclaration, settings: ModelSettings): DeclaredDemand | undefined {
  const type = typeOf(model, settings.biologicalType);
  return type && (chosenSet(model, settings)?.fullDemand ?? type.fullDemand);
}

function chosenSet(
  model: ModelDeclaration,
  { biologicalType, parameterSet = DEFAULT_SET }: ModelSettings,
): DeclaredSet | undefined {
  return model.parameterSets.find((one) => one.name === parameterSet && describes(one, biologicalType));
}

function describes({ biologicalTypes }: DeclaredSet, biologicalType: string): boolean {
  return biologicalTypes === undefined || biologicalTypes.includes(biologicalType);
}

function typeOf(model: ModelDeclaration, biologicalType: string): DeclaredType | undefined {
  return model.biologicalTypes.find(({ name }) => name === biologicalType);
}

function completed(
  declared: readonly DeclaredQuantity[],
  layers: readonly Readonly<Record<string, number | undefined>>[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    declared.map(({ name, default: preset }) => {
      const layer = layers.find((one) => Object.hasOwn(one, name) && one[name] !== undefined);
      return [name, layer?.[name] ?? preset];
    }),
  );
}
