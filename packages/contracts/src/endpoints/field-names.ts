/**
 * Suggests the field that was probably meant by an unknown one, from the schema of the request.
 *
 * A field beside the unknown one is suggested when its name is close. A field elsewhere in the request is suggested when
 * it has the same name, for example `resources.ribosomes` for `ribosomes`.
 */
import { closestWord } from "@bioxen/kernel";
import type * as z from "zod";

/** Greatest depth at which a field of the same name is sought. The deepest field of any request has depth 4. */
const MAX_DEPTH = 5;

type Path = readonly PropertyKey[];

/** The parts of a schema's definition that this file reads; definitions are internal to zod (see acceptor.ts). */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly keyType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly entries?: Readonly<Record<string, string>>;
}

/** Returns the path of the field that was probably meant by the unknown field `key` of the object at `path`. */
export function meantField(schema: z.ZodType, path: Path, key: string): string | undefined {
  const beside = fieldsOf(path.reduce<z.ZodType | undefined>(childOf, schema));
  const closest = closestWord(key, beside.keys());
  if (closest !== undefined) return [...path, closest].join(".");
  return pathOf(schema, plain(key), [], MAX_DEPTH)?.join(".");
}

/** Returns the path of the first field named `name` in `schema`; undefined when there is none. */
function pathOf(
  schema: z.ZodType | undefined,
  name: string,
  path: readonly string[],
  depth: number,
): readonly string[] | undefined {
  if (depth === 0) return undefined;
  const fields = fieldsOf(schema);
  for (const field of fields.keys()) if (plain(field) === name) return [...path, field];
  for (const [field, inner] of fields) {
    const found = pathOf(inner, name, [...path, field], depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns a name without case, `-` and `_`, so that `atp_per_second` and `atpPerSecond` are the same name. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, "");
}

function childOf(schema: z.ZodType | undefined, step: PropertyKey): z.ZodType | undefined {
  if (typeof step === "number") return definitionOf(schema)?.element;
  return fieldsOf(schema).get(String(step));
}

/** Returns the named fields of an object, of a record with a fixed set of keys, or of all options of a union. */
function fieldsOf(schema: z.ZodType | undefined): ReadonlyMap<string, z.ZodType> {
  const def = definitionOf(schema);
  if (def?.shape !== undefined) return new Map(Object.entries(def.shape));
  if (def?.options !== undefined) return new Map(def.options.flatMap((option) => [...fieldsOf(option)]));
  const { keyType, valueType } = def ?? {};
  const names = Object.values(definitionOf(keyType)?.entries ?? {});
  return new Map(valueType === undefined ? [] : names.map((name) => [name, valueType]));
}

/** Returns the definition of a schema without its default and without `optional`. */
function definitionOf(schema: z.ZodType | undefined): Definition | undefined {
  if (schema === undefined) return undefined;
  // The type `ZodType` does not declare the fields of a definition. zod is pinned, and the test of this file fails when
  // the fields change.
  const def = schema._zod.def as unknown as Definition;
  return def.innerType === undefined ? def : definitionOf(def.innerType);
}
