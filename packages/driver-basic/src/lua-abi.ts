/**
 * The C API of Lua 5.4 as exported by wasmoon's WebAssembly module, without wasmoon's own layer.
 *
 * wasmoon's engine, threads and timeouts are not used: a guest's `pcall` can catch wasmoon's timeout error, and
 * wasmoon's `doString` corrupts memory after some calls. The module itself is sound under three rules, which
 * `LuaRuntime` follows:
 *
 * - A Lua error outside a protected call aborts the module and with it every guest. Every call that can fail or
 *   allocate is therefore made inside `protect`.
 * - A JavaScript exception that passes through WebAssembly frames leaks the stack space of these frames. The stack has
 *   1 MiB and no guard. `protect` therefore catches the exception in a JavaScript function that a WebAssembly frame
 *   called. That frame restores the stack pointer.
 * - wasmoon's wrappers put strings on that stack. Strings are therefore passed as pointers into the heap.
 */
import { invariant } from "@bioxen/kernel";
import { LuaFactory } from "wasmoon";
import { luaModuleFile } from "./lua-files.ts";

/** An address in the module's memory; 0 is null. */
export type Pointer = number;
export type LuaState = Pointer;

/**
 * The functions and memory of the module that this driver uses. 64-bit integers are bigint; `const char*` are
 * addresses.
 */
export interface LuaAbi {
  readonly HEAPU8: Uint8Array;
  readonly HEAP32: Int32Array;
  readonly HEAPU32: Uint32Array;
  /**
   * Makes a JavaScript function callable from the module, and returns its address. `signature` is the return type
   * followed by the parameter types: `i` is a 32-bit integer or address, `v` is void.
   */
  addFunction(fn: (...args: number[]) => number | undefined, signature: string): Pointer;
  _malloc(size: number): Pointer;
  _realloc(block: Pointer, size: number): Pointer;
  _free(block: Pointer): void;
  _lua_newstate(alloc: Pointer, userData: number): LuaState;
  _lua_close(L: LuaState): void;
  _lua_newthread(L: LuaState): LuaState;
  _lua_resume(L: LuaState, from: LuaState, args: number, results: Pointer): number;
  _lua_yieldk(L: LuaState, results: number, context: number, continuation: Pointer): number;
  _lua_isyieldable(L: LuaState): number;
  _lua_sethook(L: LuaState, hook: Pointer, mask: number, count: number): void;
  _lua_settop(L: LuaState, index: number): void;
  _lua_absindex(L: LuaState, index: number): number;
  _lua_checkstack(L: LuaState, slots: number): number;
  _lua_copy(L: LuaState, from: number, to: number): void;
  _lua_xmove(from: LuaState, to: LuaState, count: number): void;
  _lua_type(L: LuaState, index: number): number;
  _lua_isinteger(L: LuaState, index: number): number;
  _lua_toboolean(L: LuaState, index: number): number;
  _lua_tonumberx(L: LuaState, index: number, isNumber: Pointer): number;
  _lua_tointegerx(L: LuaState, index: number, isInteger: Pointer): bigint;
  _lua_tolstring(L: LuaState, index: number, length: Pointer): Pointer;
  _lua_topointer(L: LuaState, index: number): Pointer;
  _lua_rawlen(L: LuaState, index: number): bigint;
  _lua_pushnil(L: LuaState): void;
  _lua_pushboolean(L: LuaState, value: number): void;
  _lua_pushnumber(L: LuaState, value: number): void;
  _lua_pushinteger(L: LuaState, value: bigint): void;
  _lua_pushlstring(L: LuaState, text: Pointer, length: number): Pointer;
  _lua_pushcclosure(L: LuaState, fn: Pointer, upvalues: number): void;
  _lua_createtable(L: LuaState, items: number, fields: number): void;
  _lua_rawget(L: LuaState, index: number): number;
  _lua_rawgeti(L: LuaState, index: number, key: bigint): number;
  _lua_rawset(L: LuaState, index: number): void;
  _lua_rawseti(L: LuaState, index: number, key: bigint): void;
  _lua_next(L: LuaState, index: number): number;
  /** Pushes the metatable of the value at `index`. If the value has none, pushes nothing and returns 0. */
  _lua_getmetatable(L: LuaState, index: number): number;
  /** Pushes one upvalue of the function at `index`, and returns the address of the upvalue's name. */
  _lua_getupvalue(L: LuaState, index: number, upvalue: number): Pointer;
  _lua_touserdata(L: LuaState, index: number): Pointer;
  _lua_callk(L: LuaState, args: number, results: number, context: number, continuation: Pointer): void;
  _lua_pcallk(
    L: LuaState,
    args: number,
    results: number,
    handler: number,
    context: number,
    continuation: Pointer,
  ): number;
  _luaL_loadbufferx(L: LuaState, text: Pointer, length: number, name: Pointer, mode: Pointer): number;
  _luaL_traceback(L: LuaState, of: LuaState, message: Pointer, level: number): void;
  _luaopen_base(L: LuaState): number;
  _luaopen_table(L: LuaState): number;
  _luaopen_string(L: LuaState): number;
  _luaopen_utf8(L: LuaState): number;
  _luaopen_math(L: LuaState): number;
}

/** Status codes that a call into Lua returns (source: `lua.h`). */
export const STATUS = { ok: 0, yield: 1, runtime: 2, syntax: 3, memory: 4, handler: 5 } as const;
/** Type codes of Lua values (source: `lua.h`). Lua also passes them to the allocator as the type of a new block. */
export const TYPE = {
  none: -1,
  nil: 0,
  boolean: 1,
  lightUserdata: 2,
  number: 3,
  string: 4,
  table: 5,
  function: 6,
  userdata: 7,
  thread: 8,
} as const;
/** The pseudo-index of Lua's registry (source: `luaconf.h`, -LUAI_MAXSTACK - 1000). */
export const REGISTRY = -1_001_000;
/** The registry key of the table of globals (source: `lua.h`). */
export const REGISTRY_GLOBALS = 2n;
/** The event mask for a hook that Lua calls every `count` instructions (source: `lua.h`). */
export const MASK_COUNT = 8;

/** Loads a new instance of the module with its own memory; takes about 7 ms. */
export async function loadLuaAbi(): Promise<LuaAbi> {
  // The path to the file is explicit, because wasmoon otherwise guesses it and may request the file from the web.
  const wasmoon = await new LuaFactory(luaModuleFile()).getLuaModule();
  const module: unknown = wasmoon.module;
  invariant(
    typeof module === "object" && module !== null && "_lua_newstate" in module,
    "the wasmoon module exports no C API",
  );
  return module as LuaAbi;
}

/**
 * Copies a text into the module's heap as a C string, and returns the address of the string. The string is never freed,
 * so call this function only for constants.
 */
export function constantString(abi: LuaAbi, text: string): Pointer {
  const bytes = new TextEncoder().encode(text);
  const address = abi._malloc(bytes.length + 1);
  invariant(address !== 0, "no memory for a constant");
  abi.HEAPU8.set(bytes, address);
  abi.HEAPU8[address + bytes.length] = 0;
  return address;
}
