/**
 * The C API of Lua 5.4 as wasmoon's WebAssembly module exports it, and nothing of wasmoon's own layer.
 *
 * wasmoon's engine, threads and timeouts are not used: its timeout error can be caught by the guest's `pcall`, its
 * `doString` corrupts memory after some calls. The module below it is sound, with three rules, kept by `LuaRuntime`:
 *
 * - A Lua error outside a protected call aborts the module and with it every guest. So every call that can fail or allocate
 *   is made inside `protect`.
 * - A JavaScript exception that passes through WebAssembly frames leaves their stack space behind, 1 MiB in all and
 *   without a guard. `protect` catches it above a frame that restores the stack pointer.
 * - A string given to wasmoon's wrappers is put on that stack. So strings are passed as pointers into the heap here.
 */
import { createRequire } from "node:module";
import { invariant } from "@bioxen/kernel";
import { LuaFactory } from "wasmoon";

/** Address in the module's memory; 0 is none. */
export type Pointer = number;
export type LuaState = Pointer;

/** The raw exports used here. Integers of 64 bits are bigint, `const char*` are addresses. */
export interface LuaAbi {
  readonly HEAPU8: Uint8Array;
  readonly HEAP32: Int32Array;
  readonly HEAPU32: Uint32Array;
  /** Signature: return type then parameters; `i` 32-bit integer or address, `v` none. Returns an address. */
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
  /** Pushes it when there is one; 0 when there is none. */
  _lua_getmetatable(L: LuaState, index: number): number;
  /** Pushes it; the address of its name. */
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

/** `lua.h`: what a call into Lua ends with. */
export const STATUS = { ok: 0, yield: 1, runtime: 2, syntax: 3, memory: 4, handler: 5 } as const;
/** `lua.h`: types of values. Also what an allocation without a block is for. */
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
/** `luaconf.h`: -LUAI_MAXSTACK - 1000. */
export const REGISTRY = -1_001_000;
/** `lua.h`: where the registry has the table of globals. */
export const REGISTRY_GLOBALS = 2n;
/** `lua.h`: call the hook every `count` instructions. */
export const MASK_COUNT = 8;

/** A fresh instance of the module: its own memory, about 7 ms. */
export async function loadLuaAbi(): Promise<LuaAbi> {
  // Named, because wasmoon otherwise guesses where it is and may look for the file on the web.
  const file = createRequire(import.meta.url).resolve("wasmoon/dist/glue.wasm");
  const wasmoon = await new LuaFactory(file).getLuaModule();
  const module: unknown = wasmoon.module;
  invariant(
    typeof module === "object" && module !== null && "_lua_newstate" in module,
    "wasmoon has no C API",
  );
  return module as LuaAbi;
}

/** A C string in the module's heap that is never freed: for the few constants. */
export function constantString(abi: LuaAbi, text: string): Pointer {
  const bytes = new TextEncoder().encode(text);
  const address = abi._malloc(bytes.length + 1);
  invariant(address !== 0, "no memory for a constant");
  abi.HEAPU8.set(bytes, address);
  abi.HEAPU8[address + bytes.length] = 0;
  return address;
}
