/**
 * The rules for every published JSON Schema: docs/asyncapi.json, docs/PROTOCOL.md, docs/cli.schema.json,
 * docs/fleet.schema.json, docs/experiment.schema.json and the metadata of endpoints in `$SRV.INFO`.
 *
 * A schema is published for one direction. What a caller sends is closed: an unknown field is an error, as it is for the
 * service. What a caller reads is open: a later release may add fields to replies, events, telemetry and alerts, and a
 * consumer that validates them must not break at the first added field. All schemas are valid in the strict mode of ajv.
 */
import * as z from "zod";

export type Direction = "sent" | "read";
/** A JSON Schema as a JSON value. */
export type JsonSchema = { [keyword: string]: unknown };

/** Returns the published JSON Schema of `schema` for one direction: of draft 2020-12 unless `target` says otherwise. */
export function publishedSchema(
  schema: z.ZodType,
  direction: Direction,
  target: "draft-2020-12" | "draft-7" = "draft-2020-12",
): JsonSchema {
  const io = direction === "sent" ? "input" : "output";
  const json: JsonSchema = { ...z.toJSONSchema(schema, { io, target, unrepresentable: "any" }) };
  for (const part of partsOf(json)) publish(part, direction);
  return json;
}

/** Yields the schema and all schemas inside it, without those that it refers to. */
export function* partsOf(schema: JsonSchema): Generator<JsonSchema> {
  yield schema;
  for (const [keyword, value] of Object.entries(schema)) {
    if (typeof value !== "object" || value === null) continue;
    if (BY_NAME.has(keyword) || LISTS.has(keyword)) {
      for (const inner of Object.values(value) as JsonSchema[]) yield* partsOf(inner);
    } else if (SINGLE.has(keyword) && !Array.isArray(value)) yield* partsOf(value as JsonSchema);
  }
}

/** The keywords whose value is an object of schemas, a list of schemas, and one schema. */
const BY_NAME = new Set(["properties", "definitions", "$defs"]);
const LISTS = new Set(["anyOf", "oneOf", "allOf", "prefixItems"]);
const SINGLE = new Set(["items", "additionalProperties", "propertyNames"]);

/** Changes one schema in place, without the schemas inside it. */
function publish(schema: JsonSchema, direction: Direction): void {
  if (direction === "read" && schema["additionalProperties"] === false) delete schema["additionalProperties"];
  // The range of `z.int()`, which says nothing: JSON parsers of JavaScript represent no integer beyond it.
  if (schema["maximum"] === Number.MAX_SAFE_INTEGER) delete schema["maximum"];
  if (schema["minimum"] === Number.MIN_SAFE_INTEGER) delete schema["minimum"];
  if (JSON.stringify(schema["propertyNames"]) === '{"type":"string"}') delete schema["propertyNames"];
  if (Array.isArray(schema["type"])) splitUnion(schema, schema["type"]);
}

/**
 * Turns a union such as `{type: ["string", "number", "null"]}` into an `anyOf`, which the strict mode of ajv accepts. A
 * nullable type such as `["string", "null"]` is accepted, and stays.
 */
function splitUnion(schema: JsonSchema, types: readonly string[]): void {
  if (types.filter((type) => type !== "null").length <= 1) return;
  delete schema["type"];
  schema["anyOf"] = types.map((type) => ({ type }));
}
