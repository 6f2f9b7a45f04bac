/**
 * A fast check for values that a schema accepts unchanged.
 *
 * When a million events are read, the schema library costs several times as much as parsing their JSON. Nearly all
 * events match their schema exactly, which is cheap to check. So `acceptorOf` turns a schema into a predicate that
 * returns true only when the schema would return an equal value. For a kind of schema that
 * `acceptorOf` does not know, the predicate always returns false. When the predicate returns false, the caller uses the
 * schema itself, which strips unknown fields and reports problems. The schema stays the only source of truth; a test
 * with random values compares schema and predicate.
 */
import type * as z from "zod";
import { anyJson } from "./schemas.ts";

export type Acceptor = (value: unknown) => boolean;

/** The parts of a schema's definition that this file reads. `type` is the kind of schema. */
interface Definition {
  readonly type: string;
  readonly format?: string;
  readonly checks?: readonly { readonly _zod: { readonly def: CheckDefinition } }[];
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly catchall?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly keyType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly entries?: Readonly<Record<string, string | number>>;
  readonly values?: readonly unknown[];
}

interface CheckDefinition {
  readonly check: string;
  readonly value?: number;
  readonly inclusive?: boolean;
  readonly minimum?: number;
}

const NEVER: Acceptor = () => false;

/**
 * Returns a predicate: true only for values that `schema` returns unchanged. False does not mean that the schema
 * rejects the value.
 */
export function acceptorOf(schema: z.ZodType): Acceptor {
  if (schema === anyJson) return isJson;
  const def = definitionOf(schema);
  switch (def.type) {
    case "object":
      return objectAcceptor(def);
    case "string":
      return isPlain(def) ? (value) => typeof value === "string" : NEVER;
    case "number":
      return numberAcceptor(def);
    case "boolean":
      return (value) => typeof value === "boolean";
    case "enum":
      return oneOf(Object.values(def.entries ?? {}));
    case "literal":
      return oneOf(def.values ?? []);
    case "array":
      return arrayAcceptor(def);
    case "record":
      return recordAcceptor(def);
    case "nullable":
      return nullableAcceptor(def);
    default:
      return NEVER;
  }
}

/**
 * Returns the definition of a schema. Definitions are internal to zod, and the type `ZodType` does not declare their
 * fields. zod is pinned to one version, and the test of this file fails when the fields change.
 */
function definitionOf(schema: z.ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

function isPlain(def: Definition): boolean {
  return def.format === undefined && (def.checks ?? []).length === 0;
}

function oneOf(values: readonly unknown[]): Acceptor {
  const known = new Set(values);
  return (value) => known.has(value);
}

function inner(schema: z.ZodType | undefined): Acceptor {
  return schema === undefined ? NEVER : acceptorOf(schema);
}

/**
 * Returns the predicate of an object schema: true for an object that has every required field, no unknown field, and an
 * accepted value in each field.
 */
function objectAcceptor(def: Definition): Acceptor {
  if (def.catchall !== undefined || (def.checks ?? []).length > 0) return NEVER;
  const fields = Object.entries(def.shape ?? {});
  const isOptional = ([, schema]: [string, z.ZodType]) => schema._zod.optin === "optional";
  const acceptors = (some: [string, z.ZodType][]) =>
    some.map(([name, schema]) => [name, fieldAcceptor(schema)] as const);
  const required = acceptors(fields.filter((field) => !isOptional(field)));
  const optional = acceptors(fields.filter(isOptional));
  return (value) => {
    if (!isRecord(value)) return false;
    let count = 0;
    for (const _ in value) count += 1;
    for (const [name, accepts] of required) if (!accepts(value[name])) return false;
    let expected = required.length;
    for (const [name, accepts] of optional) {
      if (value[name] === undefined) continue;
      if (!accepts(value[name])) return false;
      expected += 1;
    }
    return count === expected;
  };
}

function fieldAcceptor(schema: z.ZodType): Acceptor {
  const def = definitionOf(schema);
  return def.type === "optional" ? inner(def.innerType) : acceptorOf(schema);
}

function numberAcceptor(def: Definition): Acceptor {
  if (def.format !== undefined && def.format !== "safeint") return NEVER;
  let least = Number.NEGATIVE_INFINITY;
  let most = Number.POSITIVE_INFINITY;
  for (const { _zod } of def.checks ?? []) {
    const { check, value, inclusive } = _zod.def;
    if (check === "number_format") continue;
    if (value === undefined || inclusive !== true) return NEVER;
    if (check === "greater_than") least = Math.max(least, value);
    else if (check === "less_than") most = Math.min(most, value);
    else return NEVER;
  }
  const isKind = def.format === "safeint" ? Number.isSafeInteger : Number.isFinite;
  return (value) => typeof value === "number" && isKind(value) && value >= least && value <= most;
}

function arrayAcceptor(def: Definition): Acceptor {
  let least = 0;
  for (const { _zod } of def.checks ?? []) {
    if (_zod.def.check !== "min_length" || _zod.def.minimum === undefined) return NEVER;
    least = Math.max(least, _zod.def.minimum);
  }
  const element = inner(def.element);
  return (value) => Array.isArray(value) && value.length >= least && value.every(element);
}

/** Returns the predicate of a record schema with plain string keys; `NEVER` for any other record schema. */
function recordAcceptor(def: Definition): Acceptor {
  const keys = def.keyType && definitionOf(def.keyType);
  if ((def.checks ?? []).length > 0 || keys?.type !== "string" || !isPlain(keys)) return NEVER;
  const accepts = inner(def.valueType);
  return (value) => {
    if (!isRecord(value)) return false;
    for (const name in value) if (name === "__proto__" || !accepts(value[name])) return false;
    return true;
  };
}

function nullableAcceptor(def: Definition): Acceptor {
  const accepts = inner(def.innerType);
  return (value) => value === null || accepts(value);
}

function isJson(value: unknown): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isJson);
  if (!isRecord(value)) return false;
  for (const name in value) if (name === "__proto__" || !isJson(value[name])) return false;
  return true;
}

/** Returns true for a plain object, such as `JSON.parse` creates. */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
