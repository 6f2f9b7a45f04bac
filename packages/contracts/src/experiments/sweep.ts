/**
 * The combinations of a sweep in their order, and the request of a create with the values of one combination.
 *
 * The swept fields are taken in the order of their names, because the fields of a JSON object have no order. The values
 * of a field keep the order of the file. The last field changes fastest.
 */
import { canonicalJson } from "@bioxen/kernel";

export type Json = Readonly<Record<string, unknown>>;

export interface SweptField {
  /** Path of the field, such as `environment.nutrientQuality`. */
  readonly name: string;
  readonly values: readonly unknown[];
  /** The canonical JSON of each value. */
  readonly texts: readonly string[];
}

/** The fields of a sweep in the order in which they are combined. */
export function sweptFields(sweep: Readonly<Record<string, readonly unknown[]>>): SweptField[] {
  return Object.entries(sweep)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, values]) => ({ name, values, texts: values.map(canonicalJson) }));
}

/** The number of combinations; 1 without a swept field, because the empty combination is one. */
export function combinationCount(fields: readonly SweptField[]): number {
  return fields.reduce((count, { values }) => count * values.length, 1);
}

/** Returns the index into the values of each field in combination number `index`, counted from 0. */
export function choicesOf(fields: readonly SweptField[], index: number): number[] {
  const choices: number[] = new Array(fields.length).fill(0);
  let rest = index;
  for (let i = fields.length - 1; i >= 0; i -= 1) {
    const { length } = (fields[i] as SweptField).values;
    choices[i] = rest % length;
    rest = Math.floor(rest / length);
  }
  return choices;
}

export type Placed<T> =
  | { readonly ok: true; readonly value: T }
  /** `at` is the path of the part that can have no field or element of the next name. */
  | { readonly ok: false; readonly at: string };

/**
 * Returns a copy of `object` with `value` at `path`. Objects that are missing on the way are made; an element of a list
 * is named by its index and must exist. Nothing of `object` is changed.
 */
export function withValue(object: Json, path: string, value: unknown): Placed<Json> {
  return placed(object, path.split("."), 0, value) as Placed<Json>;
}

function placed(at: unknown, path: readonly string[], depth: number, value: unknown): Placed<unknown> {
  const name = path[depth];
  if (name === undefined) return { ok: true, value };
  if (Array.isArray(at) ? !isIndexOf(at, name) : !isObject(at)) {
    return { ok: false, at: path.slice(0, depth).join(".") };
  }
  const parts = at as Json;
  const inner = placed(Object.hasOwn(parts, name) ? parts[name] : {}, path, depth + 1, value);
  if (!inner.ok) return inner;
  return {
    ok: true,
    value: Array.isArray(at) ? at.with(Number(name), inner.value) : { ...parts, [name]: inner.value },
  };
}

function isIndexOf(list: readonly unknown[], name: string): boolean {
  return /^(?:0|[1-9][0-9]*)$/.test(name) && Number(name) < list.length;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null;
}
