/**
 * Takes weak tables away from a Lua state.
 *
 * Weak-keyed tables that refer to each other in a chain cost the garbage collector the square of their number, in one step
 * that nothing can interrupt: 35 000 of them fit in a guest's memory and hold the thread for 5.5 s. Refusing `__mode` in
 * `setmetatable` is not enough, as a field of a metatable can be set later, so the state is made blind to it.
 *
 * Lua looks metamethods up by the address of their interned name, in one array. The entry of `__mode` is pointed at a string
 * no table can have as such a key: a long one, which is never interned. The array is found by the addresses in it. `__gc`
 * cannot be treated so: the library's own buffers need it to give back their memory after an error. It takes effect
 * only at the moment of `setmetatable`, so refusing it there is enough.
 */
import { invariant } from "@bioxen/kernel";
import { type LuaState, REGISTRY } from "./lua-abi.ts";
import type { LuaRuntime } from "./lua-runtime.ts";

/** The first names of `ltm.h`, in order. */
const NAMES = ["__index", "__newindex", "__gc", "__mode", "__len"];
/** Over 40 bytes, the length up to which Lua interns. */
const UNMATCHED = "a name that no table can have as the key of a metamethod";
/** Bytes after a state's own address in which its global part, and in that the array, is looked for. */
const SEARCH_BYTES = 4096;

/** In `protect`. */
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
  // Kept in the registry, for as long as the state lives.
  abi._lua_pushboolean(L, 1);
  abi._lua_rawset(L, REGISTRY);

  const words = abi.HEAPU32.subarray(L >> 2, (L + SEARCH_BYTES) >> 2);
  const at = words.findIndex((_, i) => names.every((name, k) => words[i + k] === name));
  invariant(at >= 0, "this build of Lua keeps the names of its metamethods elsewhere");
  words[at + NAMES.indexOf("__mode")] = unmatched;
}
