/**
 * What a cell model declares about itself, and the check of a declaration.
 *
 * An agent announces the declarations of its models. Everything that a user says about a cell (parameters, environment,
 * shares of the full demand) is checked against them, so a model gets only values that it has declared. This file knows
 * no cell, so that services can import it without the equations.
 */
import { type CellResource, cellResources } from "./cell-types.ts";

/** A number that a model takes or gives: a parameter, a field of the environment, or an output. */
export interface DeclaredQuantity {
  /** A letter, then letters and digits, at most {@link MAX_NAME_LENGTH} characters. */
  readonly name: string;
  /** Unit of the value; the unit of a pure number is `1`. */
  readonly unit: string;
  /** The least and the largest value. */
  readonly range: readonly [least: number, largest: number];
  /** The value if nothing else is said; of an output, the value of a new cell with every default. */
  readonly default: number;
  readonly description: string;
}

/** Amounts of resources, integers. A resource that is left out is not used by the model. */
export type DeclaredDemand = Readonly<Partial<Record<CellResource, number>>>;

/** A biological type that the model simulates. */
export interface DeclaredType {
  readonly name: string;
  /** The amounts with which the cell grows at its reference rate: the default request of a VM. */
  readonly fullDemand: DeclaredDemand;
  /** Defaults of the environment that differ from those of the fields. */
  readonly environment?: Readonly<Record<string, number>> | undefined;
}

/** A named set of parameters, for `config.parameterSet`. The set `default` always exists. */
export interface DeclaredSet {
  readonly name: string;
  readonly description: string;
  /** Values of parameters that differ from their defaults. */
  readonly parameters?: Readonly<Record<string, number>> | undefined;
  /** Defaults of the environment that differ from those of the type. */
  readonly environment?: Readonly<Record<string, number>> | undefined;
  /** The types that the set describes; absent: every type of the model. */
  readonly biologicalTypes?: readonly string[] | undefined;
  /** The full demand of a cell with this set; absent: that of its type. */
  readonly fullDemand?: DeclaredDemand | undefined;
}

/** A variable of the state of a cell that time courses record. */
export interface DeclaredVariable {
  readonly name: string;
  readonly unit: string;
}

export interface ModelDeclaration {
  /**
   * Name of the model, made of a-z, 0-9 and '-'. Every checkpoint contains it, except those of the built-in model; a
   * model rejects the checkpoints of another model.
   */
  readonly name: string;
  /**
   * Version of the model. It must increase when a change makes equal inputs give a different cell. Every checkpoint
   * contains it, except those of the built-in model, whose versions continue the cells of each other.
   */
  readonly version: number;
  readonly description: string;
  readonly parameters: readonly DeclaredQuantity[];
  readonly environment: readonly DeclaredQuantity[];
  readonly outputs: readonly DeclaredQuantity[];
  readonly parameterSets: readonly DeclaredSet[];
  readonly biologicalTypes: readonly DeclaredType[];
  /** The resources whose allocation limits the growth of a cell. */
  readonly limitedBy: readonly CellResource[];
  /** State variables, the first columns of a time course; absent: none. */
  readonly stateVariables?: readonly DeclaredVariable[] | undefined;
}

/** Maximum length of the name of a quantity, characters: names are column headings and Lua fields. */
export const MAX_NAME_LENGTH = 48;
/** Maximum length of a description, characters: one line of a terminal, twice wrapped. */
export const MAX_DESCRIPTION_LENGTH = 240;
const MAX_UNIT_LENGTH = 24;
/** Maximum number of quantities of one kind, of parameter sets and of state variables. All of them are announced. */
export const MAX_DECLARED = 64;
/** Maximum size of a declaration, bytes of JSON. Each registration of a chassis contains those of its agent. */
export const MAX_DECLARATION_BYTES = 16_384;
/** Maximum amount of one resource of a full demand. The same limit holds for every request. */
const MAX_DEMAND = 1e12;

const MODEL_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const QUANTITY_NAME = /^[A-Za-z][A-Za-z0-9]*$/;
const SET_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** Names of values that every sample and course has. An output of the same name would be mistaken for it. */
const TAKEN: ReadonlySet<string> = new Set([
  "minute",
  "branch",
  "growthRatePerMinute",
  "doublingTimeMinutes",
  "ribosomalMassFraction",
]);
const FIELDS = [
  "name",
  "version",
  "description",
  "parameters",
  "environment",
  "outputs",
  "parameterSets",
  "biologicalTypes",
  "limitedBy",
  "stateVariables",
] as const satisfies readonly (keyof ModelDeclaration)[];

/** Returns every problem of a declaration, each with the path of its field; empty for a valid one. */
export function declarationProblems(value: unknown): string[] {
  if (!isRecord(value)) return ["is not an object"];
  const { name, version, limitedBy, stateVariables } = value;
  const problems: string[] = [];
  if (typeof name !== "string" || !MODEL_NAME.test(name)) {
    problems.push("name: is not of a-z, 0-9 and '-', 63 characters at most");
  }
  if (!(Number.isSafeInteger(version) && (version as number) >= 1)) {
    problems.push("version: is not an integer of 1 or more");
  }
  problems.push(...textProblems("description", value["description"], MAX_DESCRIPTION_LENGTH));
  problems.push(...quantityListProblems("parameters", value["parameters"]));
  problems.push(...quantityListProblems("environment", value["environment"]));
  problems.push(...quantityListProblems("outputs", value["outputs"], TAKEN));
  problems.push(
    ...listProblems("parameterSets", value["parameterSets"], (path, one) => setProblems(path, one, value)),
  );
  problems.push(
    ...listProblems("biologicalTypes", value["biologicalTypes"], (path, one) =>
      typeProblems(path, one, value),
    ),
  );
  if (Array.isArray(value["biologicalTypes"]) && value["biologicalTypes"].length === 0) {
    problems.push("biologicalTypes: is empty");
  }
  problems.push(...listProblems("limitedBy", limitedBy, resourceNameProblems));
  if (stateVariables !== undefined) {
    problems.push(...listProblems("stateVariables", stateVariables, variableProblems));
  }
  const text = JSON.stringify(Object.fromEntries(FIELDS.map((field) => [field, value[field]])));
  const size = new TextEncoder().encode(text).length;
  if (size > MAX_DECLARATION_BYTES) {
    problems.push(`has ${size} bytes of JSON, more than ${MAX_DECLARATION_BYTES}`);
  }
  return problems;
}

/** Returns the declaration of a model without its functions, as it is announced. */
export function declarationOf(model: ModelDeclaration): ModelDeclaration {
  const { name, version, description, parameters, environment, outputs } = model;
  const { parameterSets, biologicalTypes, limitedBy, stateVariables } = model;
  return {
    name,
    version,
    description,
    parameters,
    environment,
    outputs,
    parameterSets,
    biologicalTypes,
    limitedBy,
    ...(stateVariables === undefined ? {} : { stateVariables }),
  };
}

function quantityListProblems(
  field: string,
  list: unknown,
  taken: ReadonlySet<string> = new Set(),
): string[] {
  const problems = listProblems(field, list, (path, one) => quantityProblems(path, one, taken));
  return [...problems, ...namesTwice(field, list)];
}

function quantityProblems(path: string, value: unknown, taken: ReadonlySet<string>): string[] {
  if (!isRecord(value)) return [`${path}: is not an object`];
  const { name, range } = value;
  const problems = unknownFields(path, value, ["name", "unit", "range", "default", "description"]);
  if (typeof name !== "string" || !QUANTITY_NAME.test(name) || name.length > MAX_NAME_LENGTH) {
    problems.push(
      `${path}.name: is not a letter and then letters and digits, ${MAX_NAME_LENGTH} characters at most`,
    );
  } else if (taken.has(name)) problems.push(`${path}.name: ${name} is a value of every cell`);
  problems.push(...textProblems(`${path}.unit`, value["unit"], MAX_UNIT_LENGTH));
  problems.push(...textProblems(`${path}.description`, value["description"], MAX_DESCRIPTION_LENGTH));
  if (!isRange(range))
    return [...problems, `${path}.range: is not the least and the largest value, two numbers`];
  const preset = value["default"];
  if (!isWithin(preset, range)) {
    problems.push(`${path}.default: is not a number from ${range[0]} to ${range[1]}`);
  }
  return problems;
}

function setProblems(path: string, value: unknown, model: Record<string, unknown>): string[] {
  if (!isRecord(value)) return [`${path}: is not an object`];
  const known = ["name", "description", "parameters", "environment", "biologicalTypes", "fullDemand"];
  const problems = unknownFields(path, value, known);
  const { name, parameters, environment, biologicalTypes, fullDemand } = value;
  if (typeof name !== "string" || !SET_NAME.test(name)) {
    problems.push(`${path}.name: is not of a-z, 0-9, '.', '_' and '-', 63 characters at most`);
  }
  problems.push(...textProblems(`${path}.description`, value["description"], MAX_DESCRIPTION_LENGTH));
  problems.push(...valuesProblems(`${path}.parameters`, parameters, model["parameters"]));
  problems.push(...valuesProblems(`${path}.environment`, environment, model["environment"]));
  if (fullDemand !== undefined) problems.push(...demandProblems(`${path}.fullDemand`, fullDemand));
  if (biologicalTypes === undefined) return problems;
  const types = namesIn(model["biologicalTypes"]);
  return [
    ...problems,
    ...listProblems(`${path}.biologicalTypes`, biologicalTypes, (at, one) =>
      types.includes(one as string) ? [] : [`${at}: is not a biological type of the model`],
    ),
  ];
}

function typeProblems(path: string, value: unknown, model: Record<string, unknown>): string[] {
  if (!isRecord(value)) return [`${path}: is not an object`];
  const problems = unknownFields(path, value, ["name", "fullDemand", "environment"]);
  problems.push(...textProblems(`${path}.name`, value["name"], MAX_NAME_LENGTH));
  problems.push(...valuesProblems(`${path}.environment`, value["environment"], model["environment"]));
  return [...problems, ...demandProblems(`${path}.fullDemand`, value["fullDemand"])];
}

function variableProblems(path: string, value: unknown): string[] {
  if (!isRecord(value)) return [`${path}: is not an object`];
  return [
    ...unknownFields(path, value, ["name", "unit"]),
    ...textProblems(`${path}.name`, value["name"], MAX_NAME_LENGTH),
    ...textProblems(`${path}.unit`, value["unit"], MAX_UNIT_LENGTH),
  ];
}

function demandProblems(path: string, demand: unknown): string[] {
  if (!isRecord(demand)) return [`${path}: is not an object of resources`];
  const problems = unknownFields(path, demand, cellResources);
  for (const [name, amount] of Object.entries(demand)) {
    if (!(Number.isSafeInteger(amount) && (amount as number) >= 0 && (amount as number) <= MAX_DEMAND)) {
      problems.push(`${path}.${name}: is not an integer from 0 to ${MAX_DEMAND}`);
    }
  }
  return problems;
}

function resourceNameProblems(path: string, value: unknown): string[] {
  return (cellResources as readonly unknown[]).includes(value)
    ? []
    : [`${path}: is not one of ${cellResources.join(", ")}`];
}

/** Returns the problems of values by name, each of which must be that of a declared quantity and within its range. */
function valuesProblems(path: string, values: unknown, declared: unknown): string[] {
  if (values === undefined) return [];
  if (!isRecord(values)) return [`${path}: is not an object of numbers`];
  const quantities = Array.isArray(declared) ? declared.filter(isRecord) : [];
  return Object.entries(values).flatMap(([name, value]) => {
    const quantity = quantities.find((one) => one["name"] === name);
    if (quantity === undefined) return [`${path}.${name}: is not declared`];
    const { range } = quantity;
    if (!isRange(range) || isWithin(value, range)) return [];
    return [`${path}.${name}: is not a number from ${range[0]} to ${range[1]}`];
  });
}

function listProblems(
  field: string,
  list: unknown,
  problemsOf: (path: string, one: unknown) => readonly string[],
): string[] {
  if (!Array.isArray(list)) return [`${field}: is not a list`];
  if (list.length > MAX_DECLARED) return [`${field}: has ${list.length} entries, more than ${MAX_DECLARED}`];
  return list.flatMap((one: unknown, i) => problemsOf(`${field}.${i}`, one));
}

function namesTwice(field: string, list: unknown): string[] {
  const names = namesIn(list);
  return names.flatMap((name, i) =>
    names.indexOf(name) < i ? [`${field}.${i}.name: ${name} is the name of an earlier entry`] : [],
  );
}

function namesIn(list: unknown): readonly string[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((one: unknown) =>
    isRecord(one) && typeof one["name"] === "string" ? [one["name"]] : [],
  );
}

function textProblems(path: string, text: unknown, most: number): string[] {
  const isText = typeof text === "string" && text !== "" && text.length <= most && text.isWellFormed();
  return isText ? [] : [`${path}: is not a text of 1 to ${most} characters`];
}

function unknownFields(path: string, value: object, known: readonly string[]): string[] {
  const unknown = Object.keys(value).filter((name) => !known.includes(name));
  return unknown.map((name) => `${path}.${name}: is unknown: use ${known.join(", ")}`);
}

function isRange(range: unknown): range is readonly [number, number] {
  return Array.isArray(range) && range.length === 2 && range.every(Number.isFinite) && range[0] <= range[1];
}

export function isWithin(value: unknown, [least, largest]: readonly [number, number]): value is number {
  return typeof value === "number" && value >= least && value <= largest;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
