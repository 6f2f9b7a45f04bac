/**
 * Disables weak tables in a Lua state.
 *
 * A chain of weak-keyed tables costs the garbage collector quadratic time in one uninterruptible step: a chain of
 * 35 000 tables fits into a guest's memory and blocks the thread for 5.5 s. A check of `__mode` in `setmetatable` is
 * not enough, because a field of a metatable can be set later. So Lua is prevented from finding `__mode` at all.
 *
 * Lua finds metamethods by the address of their interned name, in one array. The entry of `__mode` is redirected to a
 * string that never equals a key: a long string, which is not interned. The array is found by the addresses in it.
 * `__gc` cannot be disabled in this way, because the library's own buffers need it to free their memory after an error.
 * But a `__gc` field takes effect only if it is present when `setmetatable` is called, so a check there suffices.
 */
import { invariant } from "@bioxen/kernel";
import { type LuaState, REGISTRY } from "./lua-abi.ts";
import type { LuaRuntime } from "./lua-runtime.ts";

/** The first metamethod names of `ltm.h`, in order. */
const NAMES = ["__index", "__newindex", "__gc", "__mode", "__len"];
/** A string of more than 40 bytes. Lua interns no string that long, so it never equals a key. */
const UNMATCHED = "a name that no table can have as the key of a metamethod";
/** The array of metamethod names is searched for in this many bytes, beginning at the address of the state. */
const SEARCH_BYTES = 4096;

/** Disables weak tables in `L`. Call inside `protect`. */
export function disableWeakTables(runtime: LuaRuntime, L: LuaState): void {
  const { abi } = runtime;
  const names = NAMES.map((name) => {
    runtime.pushString(L, name);
    const address = abi._lua_topointer(L, -1);
    abi._lua_settop(L, -2);
    return address;
  });
  runtime.pushString(L, UNMATCHED);
  const unmatched = abi._lua_topointer(L, -1);
  // The registry keeps the string alive as long as the state.
  abi._lua_pushboolean(L, 1);
  abi._lua_rawset(L, REGISTRY);

  const words = abi.HEAPU32.subarray(L >> 2, (L + SEARCH_BYTES) >> 2);
  const at = words.findIndex((_, i) => names.every((name, k) => words[i + k] === name));
  invariant(at >= 0, "this build of Lua has its metamethod names at an unknown address");
  words[at + NAMES.indexOf("__mode")] = unmatched;
}
