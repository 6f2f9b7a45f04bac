/**
 * The guest's global `state` as lossless JSON data: the part of a Lua state that a checkpoint stores.
 *
 * Unlike the conversion of a result (`lua-json.ts`), this one is lossless. Integers and floats stay distinct, bytes
 * that are not UTF-8 stay the same, and shared or cyclic tables stay shared or cyclic. For that, all tables are in one
 * list, and a value refers to a table by its index. Pairs are sorted by key, so equal states give equal text in any
 * iteration order of Lua.
 *
 * A non-data value, such as a function or a metatable, is rejected with its path instead of being omitted: an
 * incomplete state would be worse than none. Reading runs no guest code.
 */
import {
  MAX_KEPT_BYTES,
  MAX_KEPT_DEPTH,
  MAX_KEPT_VALUES,
  RANDOM_STATE_BYTES,
  STATE_GLOBAL,
} from "./limits.ts";
import { type LuaState, TYPE } from "./lua-abi.ts";
import { ResultError } from "./lua-json.ts";
import type { LuaRuntime } from "./lua-runtime.ts";

/**
 * One Lua value in a checkpoint. A JSON number without a fraction is a Lua integer, any other is a float. `f` is a
 * float that JSON cannot represent or would show as an integer; `i` is an integer beyond 2^53; `b` is a string as
 * base64 bytes; `t` is the index of a table in the list.
 */
export type KeptValue =
  | string
  | number
  | boolean
  | { readonly f: string }
  | { readonly i: string }
  | { readonly b: string }
  | { readonly t: number };

export type KeptPair = readonly [KeptValue, KeptValue];

export interface KeptLua {
  /** The internal state of `math.random` in hexadecimal; null: the generator restarts from the guest's seed. */
  readonly random: string | null;
  /** The value of the Lua global `state`; null if it is nil. */
  readonly state: KeptValue | null;
  readonly tables: readonly (readonly KeptPair[])[];
}

const RANDOM_PATTERN = new RegExp(`^[0-9a-f]{${2 * RANDOM_STATE_BYTES}}$`);
const INTEGER_PATTERN = /^-?[0-9]{1,19}$/;
const FLOAT_WORDS: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  "-inf": Number.NEGATIVE_INFINITY,
  "-0": -0,
};
const LOWEST_INTEGER = -(2n ** 63n);
const HIGHEST_INTEGER = 2n ** 63n - 1n;

/**
 * Converts the value on top of the stack, with all values that it refers to, to its stored form. Throws {@link
 * ResultError}. Call inside `protect`.
 */
export function readKept(runtime: LuaRuntime, L: LuaState): Omit<KeptLua, "random"> {
  const reader = new KeptReader(runtime, L);
  const isNil = runtime.abi._lua_type(L, -1) === TYPE.nil;
  return { state: isNil ? null : reader.read(), tables: reader.tables };
}

class KeptReader {
  readonly #runtime: LuaRuntime;
  readonly #L: LuaState;
  readonly #placeOf = new Map<number, number>();
  readonly #path: string[] = [STATE_GLOBAL];
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  readonly tables: KeptPair[][] = [];
  #valuesLeft = MAX_KEPT_VALUES;
  #bytesLeft = MAX_KEPT_BYTES;

  constructor(runtime: LuaRuntime, L: LuaState) {
    this.#runtime = runtime;
    this.#L = L;
  }

  /** Returns the stored form of the value on top of the stack, and leaves the value there. */
  read(): KeptValue {
    const { abi } = this.#runtime;
    this.#valuesLeft -= 1;
    if (this.#valuesLeft < 0) throw tooLarge(`over ${MAX_KEPT_VALUES} values`);
    switch (abi._lua_type(this.#L, -1)) {
      case TYPE.boolean:
        return abi._lua_toboolean(this.#L, -1) !== 0;
      case TYPE.number:
        return this.#number();
      case TYPE.string:
        return this.#text();
      case TYPE.table:
        return this.#table();
      default:
        throw this.#unkeepable("a function or another value that is no data");
    }
  }

  #number(): KeptValue {
    const { abi } = this.#runtime;
    if (abi._lua_isinteger(this.#L, -1) === 0) return keptFloat(abi._lua_tonumberx(this.#L, -1, 0));
    const integer = abi._lua_tointegerx(this.#L, -1, 0);
    const number = Number(integer);
    return Number.isSafeInteger(number) ? number : { i: integer.toString() };
  }

  #text(): KeptValue {
    // The length is checked first, so that no view of a very long string is created.
    this.#bytesLeft -= Number(this.#runtime.abi._lua_rawlen(this.#L, -1));
    if (this.#bytesLeft < 0) throw tooLarge(`over ${MAX_KEPT_BYTES} bytes of text`);
    const bytes = this.#runtime.bytesAt(this.#L, -1);
    try {
      return this.#decoder.decode(bytes);
    } catch {
      return { b: Buffer.from(bytes).toString("base64") };
    }
  }

  #table(): KeptValue {
    const { abi } = this.#runtime;
    const L = this.#L;
    const address = abi._lua_topointer(L, -1);
    const known = this.#placeOf.get(address);
    if (known !== undefined) return { t: known };
    if (abi._lua_getmetatable(L, -1) !== 0) throw this.#unkeepable("a table with a metatable");
    if (this.#path.length > MAX_KEPT_DEPTH || abi._lua_checkstack(L, 4) === 0) {
      throw tooLarge(`nested over ${MAX_KEPT_DEPTH} deep`);
    }
    const place = this.tables.length;
    const pairs: KeptPair[] = [];
    this.#placeOf.set(address, place);
    this.tables.push(pairs);
    for (const key of this.#sortedKeys()) {
      pushScalar(this.#runtime, L, key);
      abi._lua_rawget(L, -2);
      this.#path.push(pathOf(key));
      pairs.push([key, this.read()]);
      this.#path.pop();
      abi._lua_settop(L, -2);
    }
    return { t: place };
  }

  #sortedKeys(): KeptValue[] {
    const { abi } = this.#runtime;
    const L = this.#L;
    const keys: { readonly key: KeptValue; readonly text: string }[] = [];
    abi._lua_pushnil(L);
    while (abi._lua_next(L, -2) !== 0) {
      abi._lua_settop(L, -2);
      const type = abi._lua_type(L, -1);
      if (type === TYPE.table || type >= TYPE.function || type === TYPE.lightUserdata) {
        throw this.#unkeepable("a table with a key that is neither text, a number nor a boolean");
      }
      const key = this.read();
      keys.push({ key, text: JSON.stringify(key) });
    }
    return keys.sort((a, b) => (a.text < b.text ? -1 : 1)).map(({ key }) => key);
  }

  #unkeepable(what: string): ResultError {
    return new ResultError("GUEST_ERROR", `${this.#path.join("")} is ${what}, which no checkpoint can keep`);
  }
}

function keptFloat(value: number): KeptValue {
  if (Number.isNaN(value)) return { f: "nan" };
  if (Object.is(value, -0)) return { f: "-0" };
  if (!Number.isFinite(value)) return { f: value > 0 ? "inf" : "-inf" };
  return Number.isInteger(value) ? { f: String(value) } : value;
}

function tooLarge(what: string): ResultError {
  return new ResultError("TOO_LARGE", `${STATE_GLOBAL} has ${what}`);
}

function pathOf(key: KeptValue): string {
  return typeof key === "string" ? `.${key.slice(0, 64)}` : `[${JSON.stringify(key)}]`;
}

/**
 * Pushes the stored value of the global `state` onto the Lua stack. `kept` must be valid (see {@link keptProblem}).
 * Call inside `protect`.
 */
export function pushKept(runtime: LuaRuntime, L: LuaState, kept: KeptLua): void {
  const { abi } = runtime;
  abi._lua_checkstack(L, 6);
  abi._lua_createtable(L, kept.tables.length, 0);
  for (let place = 0; place < kept.tables.length; place += 1) {
    abi._lua_createtable(L, 0, 0);
    abi._lua_rawseti(L, -2, BigInt(place + 1));
  }
  const list = abi._lua_absindex(L, -1);
  const push = (value: KeptValue): void => {
    if (typeof value === "object" && "t" in value) abi._lua_rawgeti(L, list, BigInt(value.t + 1));
    else pushScalar(runtime, L, value);
  };
  for (const [place, pairs] of kept.tables.entries()) {
    abi._lua_rawgeti(L, list, BigInt(place + 1));
    for (const [key, value] of pairs) {
      push(key);
      push(value);
      abi._lua_rawset(L, -3);
    }
    abi._lua_settop(L, -2);
  }
  if (kept.state === null) abi._lua_pushnil(L);
  else push(kept.state);
  abi._lua_copy(L, -1, list);
  abi._lua_settop(L, list);
}

function pushScalar(runtime: LuaRuntime, L: LuaState, value: KeptValue): void {
  const { abi } = runtime;
  if (typeof value === "string") runtime.pushString(L, value);
  else if (typeof value === "boolean") abi._lua_pushboolean(L, value ? 1 : 0);
  else if (typeof value === "number") {
    if (Number.isInteger(value)) abi._lua_pushinteger(L, BigInt(value));
    else abi._lua_pushnumber(L, value);
  } else if ("i" in value) abi._lua_pushinteger(L, BigInt(value.i));
  else if ("f" in value) abi._lua_pushnumber(L, FLOAT_WORDS[value.f] ?? Number(value.f));
  else if ("b" in value) {
    const bytes = Buffer.from(value.b, "base64");
    abi._lua_pushlstring(L, runtime.toScratch(bytes), bytes.length);
  }
}

/**
 * Validates the Lua state of a checkpoint, which is external input. Returns the problem, or undefined if the state is
 * valid.
 */
export function keptProblem(kept: unknown): string | undefined {
  if (typeof kept !== "object" || kept === null) return "lua: is not an object";
  const { random, state, tables } = kept as Partial<Record<keyof KeptLua, unknown>>;
  if (
    random !== null &&
    !(typeof random === "string" && RANDOM_PATTERN.test(random) && /[1-9a-f]/.test(random))
  ) {
    return "lua.random: is not the state of a generator";
  }
  if (!Array.isArray(tables) || tables.length > MAX_KEPT_VALUES) return "lua.tables: is not a list of tables";
  const isTable = (pairs: unknown): boolean =>
    Array.isArray(pairs) &&
    pairs.every(
      (pair) =>
        Array.isArray(pair) && pair.length === 2 && isKey(pair[0]) && isKeptValue(pair[1], tables.length),
    );
  const wrong = tables.findIndex((pairs) => !isTable(pairs));
  if (wrong >= 0) return `lua.tables.${wrong}: is not a list of pairs`;
  if (state !== null && !isKeptValue(state, tables.length)) return "lua.state: is not a value";
  return undefined;
}

/** Returns whether a stored value can be the key of a table: NaN and tables cannot. */
function isKey(value: unknown): boolean {
  if (!isKeptValue(value, 0)) return false;
  return typeof value !== "object" || (value as { readonly f?: string }).f !== "nan";
}

function isKeptValue(value: unknown, tables: number): boolean {
  if (typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value);
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 1) return false;
  const { t, i, f, b } = value as Readonly<Record<string, unknown>>;
  if (t !== undefined) return Number.isSafeInteger(t) && (t as number) >= 0 && (t as number) < tables;
  if (typeof i === "string") return INTEGER_PATTERN.test(i) && isInteger64(BigInt(i));
  if (typeof f === "string") return f in FLOAT_WORDS || Number.isFinite(f === "" ? Number.NaN : Number(f));
  return typeof b === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(b);
}

function isInteger64(value: bigint): boolean {
  return value >= LOWEST_INTEGER && value <= HIGHEST_INTEGER;
}
