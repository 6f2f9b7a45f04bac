/**
 * Conversion of values between Lua and JSON.
 *
 * From Lua: nil becomes null. An integer beyond ±2^53 becomes a string of its decimal digits. NaN and the infinities
 * become `"nan"`, `"inf"`, `"-inf"`. Bytes that are not UTF-8 become U+FFFD. A table with the keys 1..n, or an empty
 * table, becomes an array. Any other table becomes an object: number keys become text, and the keys are sorted.
 * Functions and other non-data values, keys that are neither text nor numbers, keys with equal text, and cycles are
 * rejected. Metatables are ignored, so reading a result runs no guest code.
 */
import { MAX_RESULT_BYTES, MAX_RESULT_DEPTH, MAX_RESULT_VALUES } from "./limits.ts";
import { type LuaState, TYPE } from "./lua-abi.ts";
import type { LuaRuntime } from "./lua-runtime.ts";

/** Thrown for a Lua value that cannot be converted to JSON. */
export class ResultError extends Error {
  readonly code: "GUEST_ERROR" | "TOO_LARGE";
  constructor(code: "GUEST_ERROR" | "TOO_LARGE", message: string) {
    super(message);
    this.code = code;
  }
}

const KIND_NAMES = [
  "nil",
  "boolean",
  "userdata",
  "number",
  "string",
  "table",
  "function",
  "userdata",
  "thread",
];

/** Converts values of one Lua state to JSON values; one size limit covers all of them. Call inside `protect`. */
export class ResultReader {
  readonly #runtime: LuaRuntime;
  readonly #L: LuaState;
  readonly #path = new Set<number>();
  #valuesLeft = MAX_RESULT_VALUES;
  #bytesLeft = MAX_RESULT_BYTES;

  constructor(runtime: LuaRuntime, L: LuaState) {
    this.#runtime = runtime;
    this.#L = L;
  }

  /** Returns the JSON value for the Lua value at stack index `index`. Throws {@link ResultError}. */
  read(index: number): unknown {
    const { abi } = this.#runtime;
    const L = this.#L;
    this.#valuesLeft -= 1;
    if (this.#valuesLeft < 0)
      throw new ResultError("TOO_LARGE", `result of over ${MAX_RESULT_VALUES} values`);
    const type = abi._lua_type(L, index);
    if (type === TYPE.nil || type === TYPE.none) return null;
    if (type === TYPE.boolean) return abi._lua_toboolean(L, index) !== 0;
    if (type === TYPE.number) return this.#number(index);
    if (type === TYPE.string) return this.#text(index);
    if (type === TYPE.table) return this.#table(abi._lua_absindex(L, index));
    throw new ResultError(
      "GUEST_ERROR",
      `a result cannot contain a ${KIND_NAMES[type] ?? "value of this kind"}`,
    );
  }

  #number(index: number): number | string {
    const { abi } = this.#runtime;
    if (abi._lua_isinteger(this.#L, index) === 0) return jsonNumber(abi._lua_tonumberx(this.#L, index, 0));
    const integer = abi._lua_tointegerx(this.#L, index, 0);
    const number = Number(integer);
    return Number.isSafeInteger(number) ? number : integer.toString();
  }

  #text(index: number): string {
    const length = Number(this.#runtime.abi._lua_rawlen(this.#L, index));
    this.#bytesLeft -= length;
    if (this.#bytesLeft < 0) throw new ResultError("TOO_LARGE", `result of over ${MAX_RESULT_BYTES} bytes`);
    return this.#runtime.textAt(this.#L, index, MAX_RESULT_BYTES);
  }

  #table(index: number): unknown {
    const { abi } = this.#runtime;
    const L = this.#L;
    const address = abi._lua_topointer(L, index);
    if (this.#path.has(address)) throw new ResultError("GUEST_ERROR", "a result cannot contain itself");
    if (this.#path.size >= MAX_RESULT_DEPTH) {
      throw new ResultError("TOO_LARGE", `result nested over ${MAX_RESULT_DEPTH} deep`);
    }
    if (abi._lua_checkstack(L, 4) === 0)
      throw new ResultError("TOO_LARGE", "no stack to read the result with");
    this.#path.add(address);
    const entries = new Map<string | number, unknown>();
    abi._lua_pushnil(L);
    while (abi._lua_next(L, index) !== 0) {
      const key = this.#key(-2);
      if (entries.has(key) || entries.has(typeof key === "number" ? String(key) : asIndex(key))) {
        throw new ResultError("GUEST_ERROR", `two keys of a result read the same: ${key}`);
      }
      entries.set(key, this.read(-1));
      abi._lua_settop(L, -2);
    }
    this.#path.delete(address);
    return arrayOf(entries) ?? objectOf(entries);
  }

  /**
   * Returns the table key at stack index `index`. A number key is not converted to text on the stack, because that
   * conversion would break the traversal of the table.
   */
  #key(index: number): string | number {
    const { abi } = this.#runtime;
    const type = abi._lua_type(this.#L, index);
    if (type === TYPE.string) return this.#text(index);
    if (type !== TYPE.number) {
      throw new ResultError("GUEST_ERROR", `a key of a result is a ${KIND_NAMES[type] ?? "value"}`);
    }
    return this.#number(index);
  }
}

function asIndex(key: string): string | number {
  const number = Number(key);
  return Number.isSafeInteger(number) && String(number) === key ? number : key;
}

function arrayOf(entries: ReadonlyMap<string | number, unknown>): unknown[] | undefined {
  const items: unknown[] = [];
  for (let i = 1; i <= entries.size; i += 1) {
    if (!entries.has(i)) return undefined;
    items.push(entries.get(i));
  }
  return items;
}

function objectOf(entries: ReadonlyMap<string | number, unknown>): Record<string, unknown> {
  const named = [...entries].map(([key, value]): [string, unknown] => [String(key), value]);
  return Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function jsonNumber(value: number): number | string {
  if (Number.isFinite(value)) return value;
  if (Number.isNaN(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

/**
 * Pushes a small, acyclic JSON value of the driver onto the Lua stack. null becomes nil, so a null field is absent.
 * Call inside `protect`.
 */
export function pushJson(runtime: LuaRuntime, L: LuaState, value: unknown): void {
  const { abi } = runtime;
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) abi._lua_pushinteger(L, BigInt(value));
    else abi._lua_pushnumber(L, value);
  } else if (typeof value === "string") runtime.pushString(L, value);
  else if (typeof value === "boolean") abi._lua_pushboolean(L, value ? 1 : 0);
  else if (typeof value === "object" && value !== null) {
    abi._lua_checkstack(L, 4);
    abi._lua_createtable(L, 0, 0);
    for (const [key, field] of Object.entries(value)) {
      runtime.pushString(L, key);
      pushJson(runtime, L, field);
      abi._lua_rawset(L, -3);
    }
  } else abi._lua_pushnil(L);
}
