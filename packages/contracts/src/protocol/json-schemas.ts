/**
 * Makes the published JSON Schemas (draft 7) of a document from the zod schemas of the code, by the rules of
 * publishing.ts.
 *
 * Every schema for which a code generator makes a type has a `title`, so that the type has a name. Named zod schemas
 * become components and are referred to.
 */
import type * as z from "zod";
import { type Direction, publishedSchema } from "./publishing.ts";

export type Json = Readonly<Record<string, unknown>>;

/** Prefix of the names that zod gives to unnamed recursive schemas. The only such schema is that of any JSON value. */
const RECURSIVE = "__schema";

export class JsonSchemas {
  /** The named schemas that the schemas so far refer to, by name. */
  readonly named: Record<string, Json> = {};
  readonly #prefix: string;

  /** `prefix` comes before the name in each reference to a named schema. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /**
   * Returns the published schema. `title` names it, and begins the names of its unnamed parts; without it, neither the
   * schema nor its parts have titles.
   */
  of(schema: z.ZodType, direction: Direction, title?: string): Json {
    const { $schema: _, definitions, ...json } = publishedSchema(schema, direction, "draft-7");
    for (const [name, definition] of Object.entries((definitions ?? {}) as Record<string, Json>)) {
      if (!name.startsWith(RECURSIVE))
        this.#add(name, this.#titled(definition, title === undefined ? title : name));
    }
    return this.#titled(json, title);
  }

  #add(name: string, schema: Json): void {
    const known = this.named[name];
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema)) {
      throw new Error(`the schema ${name} differs between what is sent and what is read: give it two names`);
    }
    this.named[name] = schema;
  }

  #titled(schema: Json, title: string | undefined): Json {
    const reference = referenceIn(schema);
    if (reference !== undefined) {
      if (reference.startsWith(RECURSIVE)) return { description: "Any JSON value." };
      return { $ref: this.#prefix + reference };
    }
    const nested = (inner: unknown, suffix: string) =>
      this.#titled(inner as Json, title === undefined ? title : title + suffix);
    const out: Record<string, unknown> = title !== undefined && isNamedByGenerators(schema) ? { title } : {};
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === "id") continue;
      if (keyword === "properties") {
        const properties = Object.entries(value as Json).map(([name, inner]) => [
          name,
          nested(inner, pascalCase(name)),
        ]);
        out[keyword] = Object.fromEntries(properties);
      } else if (keyword === "items" && !Array.isArray(value)) out[keyword] = nested(value, "Item");
      else if (keyword === "additionalProperties" && typeof value === "object") {
        out[keyword] = nested(value, "Value");
      } else if (keyword === "propertyNames") {
        out[keyword] = nested(value, "Name");
      } else if (keyword === "anyOf" && isNullable(value as Json[])) {
        // The name without a suffix belongs to the part of the union that has fields.
        if (title !== undefined) out["title"] = `${title}OrNull`;
        out[keyword] = (value as Json[]).map((inner) => nested(inner, ""));
      } else if (keyword === "anyOf" || keyword === "oneOf" || keyword === "allOf") {
        out[keyword] = (value as Json[]).map((inner, i) =>
          nested(inner, i === 0 ? "Value" : `Value${i + 1}`),
        );
      } else out[keyword] = value;
    }
    return out;
  }
}

/** Returns the name of the named schema that this schema stands for. A default beside the reference is left out. */
function referenceIn(schema: Json): string | undefined {
  const { $ref, allOf } = schema as { $ref?: string; allOf?: Json[] };
  if ($ref !== undefined) return $ref.split("/").at(-1);
  return allOf?.length === 1 && allOf[0] !== undefined ? referenceIn(allOf[0]) : undefined;
}

function isNullable(union: readonly Json[]): boolean {
  return union.length === 2 && union.some(({ type }) => type === "null");
}

/** True for a schema that becomes a type of its own in generated code: an object, a list, an enumeration, a union. */
export function isNamedByGenerators(schema: Json): boolean {
  const { type } = schema;
  return type === "object" || type === "array" || "enum" in schema || "anyOf" in schema || "oneOf" in schema;
}

/** Returns `vmCreate`, `cancel-migration` or `created.v1` as `VmCreate`, `CancelMigration` and `CreatedV1`. */
export function pascalCase(words: string): string {
  return words
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join("");
}
