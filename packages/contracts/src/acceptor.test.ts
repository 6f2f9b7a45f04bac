/**
 * The fast yes never says yes where the schema would say no, or would return something else.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { acceptorOf } from "./acceptor.ts";
import { EVENT_TYPES } from "./codec.ts";

const RUNS = 300;
/** Values looked through for one that is taken, where {@link RUNS} had none. */
const SEARCHED = 5_000;
/** Runs are repeated so often until anything was taken. */
const MOST_ROUNDS = 20;

/** A value that a schema takes, from its own JSON Schema: enough for the shapes that events have. */
function takenBy(schema: z.core.JSONSchema.BaseSchema | boolean | undefined): fc.Arbitrary<unknown> {
  if (schema === undefined || typeof schema === "boolean") return fc.jsonValue();
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => takenBy(one)));
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
      return fc.array(takenBy(schema.items as z.core.JSONSchema.BaseSchema), {
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
    return fc.dictionary(fc.string({ minLength: 1 }), takenBy(value), { maxKeys: 4 });
  }
  const fields = Object.entries(schema.properties).map(([name, inner]) => [name, takenBy(inner)] as const);
  const required = schema.required ?? [];
  // With any optional field the fast yes leaves it to the schema: each half of the time, however many there are.
  return fc.oneof(
    fc.record(Object.fromEntries(fields.filter(([name]) => required.includes(name)))),
    fc.record(Object.fromEntries(fields), { requiredKeys: [...required] }),
  );
}

/** One field more, one less, or one of another kind, somewhere inside. */
function spoilt(value: unknown, at: number, by: unknown): unknown {
  if (typeof value !== "object" || value === null) return by;
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...value };
  const names = Object.keys(copy);
  const name = names[at % (names.length + 1)];
  if (name === undefined) copy["more"] = by;
  else if (at % 3 === 0) delete copy[name];
  else copy[name] = spoilt(copy[name], Math.floor(at / 2), by);
  return copy;
}

describe.each(Object.entries(EVENT_TYPES))("%s", (_type, schema) => {
  const accepts = acceptorOf(schema);
  const sound = takenBy(z.toJSONSchema(schema, { unrepresentable: "any" })).map((value) =>
    JSON.parse(JSON.stringify(value)),
  );

  it("takes no value that the schema would not return as it is", () => {
    let taken = 0;
    const check = (value: unknown) => {
      if (!accepts(value)) return;
      taken += 1;
      expect(schema.safeParse(value)).toEqual({ success: true, data: value });
    };
    // Of a schema with many fields a value that is sound in all of them is rare.
    for (let round = 0; round < MOST_ROUNDS && taken === 0; round += 1) {
      fc.assert(
        fc.property(sound, fc.nat(), fc.jsonValue(), (value, at, by) => {
          check(value);
          check(JSON.parse(JSON.stringify(spoilt(value, at, by))));
          check(by);
        }),
        { numRuns: RUNS },
      );
    }
    // Of a type with many fields few random values are to the letter: one in two hundred at worst.
    expect(taken > 0 || fc.sample(sound, SEARCHED).some(accepts)).toBe(true);
  });
});
