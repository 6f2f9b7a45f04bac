/**
 * The fast check accepts no value that the schema would reject or change.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { acceptorOf } from "./acceptor.ts";
import { EVENT_TYPES } from "./codec.ts";

const RUNS = 300;
/** Number of further values to search for an accepted one, when {@link RUNS} had none. */
const SEARCHED = 5_000;
/** Maximum number of repetitions until the schema accepts a generated value. */
const MOST_ROUNDS = 20;

/** Generates values that a schema accepts, from its JSON Schema. It covers the shapes that events have. */
function valuesOf(schema: z.core.JSONSchema.BaseSchema | boolean | undefined): fc.Arbitrary<unknown> {
  if (schema === undefined || typeof schema === "boolean") return fc.jsonValue();
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => valuesOf(one)));
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  switch (schema.type) {
    case "string":
      return fc.string();
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "integer":
      return fc.integer({ min: Math.max(schema.minimum ?? -1_000, -1_000_000), max: 1_000_000 });
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case "array":
      return fc.array(valuesOf(schema.items as z.core.JSONSchema.BaseSchema), {
        minLength: schema.minItems ?? 0,
        maxLength: 3,
      });
    case "object":
      return objectOf(schema);
    default:
      return fc.jsonValue();
  }
}

function objectOf(schema: z.core.JSONSchema.BaseSchema): fc.Arbitrary<unknown> {
  if (schema.properties === undefined) {
    const value = schema.additionalProperties as z.core.JSONSchema.BaseSchema;
    return fc.dictionary(fc.string({ minLength: 1 }), valuesOf(value), { maxKeys: 4 });
  }
  const fields = Object.entries(schema.properties).map(([name, inner]) => [name, valuesOf(inner)] as const);
  const required = schema.required ?? [];
  // Half of the objects have the required fields only, the others a random choice of the optional ones.
  return fc.oneof(
    fc.record(Object.fromEntries(fields.filter(([name]) => required.includes(name)))),
    fc.record(Object.fromEntries(fields), { requiredKeys: [...required] }),
  );
}

/** Adds a field, removes one, or replaces its value, somewhere inside. */
function corrupted(value: unknown, at: number, by: unknown): unknown {
  if (typeof value !== "object" || value === null) return by;
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...value };
  const names = Object.keys(copy);
  const name = names[at % (names.length + 1)];
  if (name === undefined) copy["more"] = by;
  else if (at % 3 === 0) delete copy[name];
  else copy[name] = corrupted(copy[name], Math.floor(at / 2), by);
  return copy;
}

describe.each(Object.entries(EVENT_TYPES))("%s", (_type, schema) => {
  const accepts = acceptorOf(schema);
  const sound = valuesOf(z.toJSONSchema(schema, { unrepresentable: "any" })).map((value) =>
    JSON.parse(JSON.stringify(value)),
  );

  it("accepts only values that the schema returns unchanged", () => {
    let accepted = 0;
    const check = (value: unknown) => {
      if (!accepts(value)) return;
      accepted += 1;
      expect(schema.safeParse(value)).toEqual({ success: true, data: value });
    };
    // With many fields, a random value is rarely valid in all of them.
    for (let round = 0; round < MOST_ROUNDS && accepted === 0; round += 1) {
      fc.assert(
        fc.property(sound, fc.nat(), fc.jsonValue(), (value, at, by) => {
          check(value);
          check(JSON.parse(JSON.stringify(corrupted(value, at, by))));
          check(by);
        }),
        { numRuns: RUNS },
      );
    }
    // With many fields, few random values match exactly: in the worst type one of two hundred.
    expect(accepted > 0 || fc.sample(sound, SEARCHED).some(accepts)).toBe(true);
  });
});
