/**
 * The Lua side of one VM: a Lua state with the sandbox, whose globals persist between calls.
 *
 * Each call runs on its own Lua thread inside this state (`lua-call.ts`), one call at a time. This file creates the
 * state, prepares the thread of a call and reads its results; everything that can fail or allocate happens inside
 * `protect`.
 *
 * A state that is no longer trusted, or has too little memory to run code, is lost: its owner closes it and boots
 * another one. The cell is in another thread and is not affected.
 */
import {
  GUEST_MEMORY_BYTES,
  GUEST_MEMORY_RESERVE_BYTES,
  MAX_ERROR_BYTES,
  RANDOM_STATE_BYTES,
  STATE_GLOBAL,
} from "./limits.ts";
import { type LuaState, type Pointer, REGISTRY, REGISTRY_GLOBALS, STATUS, TYPE } from "./lua-abi.ts";
import { type SandboxFile, sandboxFile } from "./lua-files.ts";
import { pushJson, ResultError } from "./lua-json.ts";
import { type KeptLua, pushKept, readKept } from "./lua-kept.ts";
import { MemoryAccount } from "./lua-memory.ts";
import type { LuaRuntime } from "./lua-runtime.ts";
import { disableWeakTables } from "./lua-weak-tables.ts";

/** The facts about the VM that the sandbox receives at boot. */
export interface GuestIdentity {
  readonly vmId: string;
  readonly biologicalType: string;
  /** The seed of `math.random`; a safe integer. */
  readonly seed: number;
  /** The least and the largest value of each field of the environment, by Lua name. */
  readonly environmentBounds: Readonly<Record<string, { readonly least: number; readonly largest: number }>>;
}

/** The work of a call: a chunk, or a hook by name. `keep` runs no code: it reads the Lua state for a checkpoint. */
export type Work =
  | { readonly kind: "chunk"; readonly source: string; readonly name: string }
  | { readonly kind: "hook"; readonly name: HookName; readonly argument: number }
  | { readonly kind: "keep" };
export type Code = Exclude<Work, { kind: "keep" }>;

export type HookName = "on_minute" | "on_division";
export const HOOK_NAMES: readonly HookName[] = ["on_minute", "on_division"];

/** Thrown if there is not enough memory for a Lua state. */
export class GuestBootError extends Error {}

/** Registry keys of the host's values. They are far from 1–3, which Lua itself uses. */
const KEPT = {
  begin: 101n,
  finish: 102n,
  collect: 103n,
  describe: 104n,
  cell: 105n,
  arguments: 106n,
  thread: 107n,
  nested: 108n,
  random: 109n,
};
const LIBRARIES = ["string", "table", "utf8", "math"] as const;
/** The sandbox files in the order in which they run. */
const SANDBOX: Readonly<Record<SandboxFile, Uint8Array>> = {
  arguments: sandboxFile("arguments"),
  string: sandboxFile("string"),
  table: sandboxFile("table"),
  base: sandboxFile("base"),
  cell: sandboxFile("cell"),
};

export class LuaGuest {
  readonly runtime: LuaRuntime;
  readonly L: LuaState;
  readonly account: MemoryAccount;

  /** Address of the userdata that stores the state of `math.random`. Lua's registry keeps it; Lua never moves it. */
  #randomAt: Pointer = 0;

  private constructor(runtime: LuaRuntime, L: LuaState, account: MemoryAccount) {
    this.runtime = runtime;
    this.L = L;
    this.account = account;
  }

  /** Returns a guest with a ready sandbox. Throws {@link GuestBootError}. */
  static boot(runtime: LuaRuntime, identity: GuestIdentity): LuaGuest {
    const account = new MemoryAccount();
    account.allowHeadroom(true);
    const L = runtime.newState(account);
    if (L === 0) throw new GuestBootError("no memory for another Lua state");
    const guest = new LuaGuest(runtime, L, account);
    const status = runtime.protect(L, () => guest.#openSandbox(identity));
    account.allowHeadroom(false);
    if (status === STATUS.ok) return guest;
    guest.close();
    throw new GuestBootError(`the sandbox did not start (status ${status})`);
  }

  #openSandbox(identity: GuestIdentity): void {
    const { runtime, L } = this;
    const { abi } = runtime;
    // Unlike the other libraries, the base library returns no table but writes into the globals.
    abi._luaopen_base(L);
    abi._lua_settop(L, 0);
    disableWeakTables(runtime, L);
    for (const name of LIBRARIES) {
      abi._lua_rawgeti(L, REGISTRY, REGISTRY_GLOBALS);
      runtime.pushString(L, name);
      abi[`_luaopen_${name}`](L);
      abi._lua_rawset(L, -3);
      abi._lua_settop(L, 0);
    }
    this.#findRandom();
    this.#runSandbox(identity);
    this.#nameLibraries();
  }

  #findRandom(): void {
    const { abi } = this.runtime;
    const { L } = this;
    this.#pushGlobal("math");
    this.runtime.pushString(L, "random");
    abi._lua_rawget(L, -2);
    // `random` and `randomseed` share the state of the generator as their only upvalue.
    abi._lua_getupvalue(L, -1, 1);
    this.#randomAt = abi._lua_touserdata(L, -1);
    abi._lua_rawseti(L, REGISTRY, KEPT.random);
    abi._lua_settop(L, 0);
    if (this.#randomAt === 0) throw new GuestBootError("this build of Lua keeps its generator elsewhere");
  }

  /** Returns the Lua state for a checkpoint. If a value cannot be stored, throws {@link ResultError} that names it. */
  keep(): KeptLua {
    const { runtime, L } = this;
    let kept: Omit<KeptLua, "random"> | undefined;
    this.account.allowHeadroom(true);
    try {
      runtime.protect(L, () => {
        this.#pushGlobal(STATE_GLOBAL);
        kept = readKept(runtime, L);
      });
    } finally {
      this.account.allowHeadroom(false);
    }
    if (kept === undefined) throw new ResultError("TOO_LARGE", `no memory left to read ${STATE_GLOBAL} with`);
    const words = runtime.abi.HEAPU8.subarray(this.#randomAt, this.#randomAt + RANDOM_STATE_BYTES);
    return { random: Buffer.from(words).toString("hex"), ...kept };
  }

  /** Sets the global `state` to the stored value. Returns false if there is not enough memory. */
  restoreState(kept: KeptLua): boolean {
    const { runtime, L } = this;
    const { abi } = runtime;
    const status = runtime.protect(L, () => {
      abi._lua_rawgeti(L, REGISTRY, REGISTRY_GLOBALS);
      runtime.pushString(L, STATE_GLOBAL);
      pushKept(runtime, L, kept);
      abi._lua_rawset(L, -3);
    });
    return status === STATUS.ok;
  }

  /** Restores the state of `math.random`, if one was stored. */
  restoreRandom({ random }: KeptLua): void {
    if (random !== null) this.runtime.abi.HEAPU8.set(Buffer.from(random, "hex"), this.#randomAt);
  }

  /** Runs the sandbox files and stores their return values for the host. */
  #runSandbox({ seed, vmId, biologicalType, environmentBounds }: GuestIdentity): void {
    const { runtime, L } = this;
    const { abi } = runtime;
    const keep = (...keys: readonly bigint[]): void => {
      for (const key of keys.toReversed()) abi._lua_rawseti(L, REGISTRY, key);
    };
    const run = (name: SandboxFile, results: number, pushArguments: () => number): void => {
      if (this.load(L, SANDBOX[name], `sandbox/${name}`) !== STATUS.ok) {
        throw new GuestBootError(runtime.textAt(L, -1, MAX_ERROR_BYTES));
      }
      abi._lua_callk(L, pushArguments(), results, 0, 0);
    };
    const pushCheckers = (): number => {
      abi._lua_rawgeti(L, REGISTRY, KEPT.arguments);
      return 1;
    };
    run("arguments", 1, () => 0);
    keep(KEPT.arguments);
    run("string", 0, () => {
      abi._lua_pushcclosure(L, runtime.scanFunction, 0);
      return pushCheckers() + 1;
    });
    run("table", 0, pushCheckers);
    run("base", 2, () => {
      abi._lua_pushcclosure(L, runtime.writeFunction, 0);
      pushJson(runtime, L, seed);
      return 2;
    });
    keep(KEPT.collect, KEPT.describe);
    run("cell", 3, () => {
      for (const argument of [vmId, biologicalType, environmentBounds]) pushJson(runtime, L, argument);
      return 3;
    });
    keep(KEPT.begin, KEPT.finish, KEPT.cell);
  }

  /** Makes tracebacks show `string.rep` instead of "function <sandbox/string:40>". */
  #nameLibraries(): void {
    const { runtime, L } = this;
    const { abi } = runtime;
    runtime.pushString(L, "_LOADED");
    abi._lua_createtable(L, 0, LIBRARIES.length);
    for (const name of LIBRARIES) {
      runtime.pushString(L, name);
      this.#pushGlobal(name);
      abi._lua_rawset(L, -3);
    }
    runtime.pushString(L, "_G");
    abi._lua_rawgeti(L, REGISTRY, REGISTRY_GLOBALS);
    abi._lua_rawset(L, -3);
    abi._lua_rawset(L, REGISTRY);
  }

  /** Compiles text, never bytecode. Pushes the function or the error onto `thread`. Call inside `protect`. */
  load(thread: LuaState, source: Uint8Array, name: string): number {
    const { abi } = this.runtime;
    // Source, name and mode share one buffer, each with a final zero, because Lua reads all three while it compiles.
    const tail = new TextEncoder().encode(`\0=${name}\0t\0`);
    const bytes = new Uint8Array(source.length + tail.length);
    bytes.set(source);
    bytes.set(tail, source.length);
    const at = this.runtime.toScratch(bytes);
    const nameAt = at + source.length + 1;
    return abi._luaL_loadbufferx(thread, at, source.length, nameAt, at + bytes.length - 2);
  }

  /**
   * Passes the view to the sandbox and pushes the work onto a new thread. Call inside `protect`.
   *
   * Returns the thread and the number of arguments on its stack. With `syntaxError`, the stack holds a compiler error.
   */
  prepare(work: Code, view: unknown): { thread: LuaState; args: number; syntaxError: boolean } {
    const { runtime, L } = this;
    const { abi } = runtime;
    abi._lua_rawgeti(L, REGISTRY, KEPT.begin);
    pushJson(runtime, L, view);
    abi._lua_callk(L, 1, 0, 0, 0);
    const thread = this.#newThread(KEPT.thread);
    if (work.kind === "chunk") {
      this.account.allowHeadroom(false);
      const status = this.load(thread, new TextEncoder().encode(work.source), work.name);
      if (status === STATUS.memory) throw new OutOfMemory();
      return { thread, args: 0, syntaxError: status !== STATUS.ok };
    }
    this.#pushGlobal(work.name);
    abi._lua_rawgeti(L, REGISTRY, KEPT.cell);
    pushJson(runtime, L, work.argument);
    abi._lua_xmove(L, thread, 3);
    return { thread, args: 2, syntaxError: false };
  }

  /**
   * Pops the value on top of `failed`, and prepares a thread that converts that value to text by the guest's
   * `tostring`. Call inside `protect`.
   */
  prepareDescription(failed: LuaState): { thread: LuaState; args: number } {
    const { abi } = this.runtime;
    const thread = this.#newThread(KEPT.nested);
    abi._lua_rawgeti(this.L, REGISTRY, KEPT.describe);
    abi._lua_xmove(this.L, thread, 1);
    abi._lua_xmove(failed, thread, 1);
    return { thread, args: 1 };
  }

  #newThread(key: bigint): LuaState {
    const { abi } = this.runtime;
    const thread = abi._lua_newthread(this.L);
    abi._lua_rawseti(this.L, REGISTRY, key);
    return thread;
  }

  /** Pushes the environment changes that the guest requested: a table or nil. Call inside `protect`. */
  pushWantedEnvironment(): void {
    const { abi } = this.runtime;
    abi._lua_rawgeti(this.L, REGISTRY, KEPT.finish);
    abi._lua_callk(this.L, 0, 1, 0, 0);
  }

  /** Releases the threads of a finished call. Closing them would run guest code without the instruction hook. */
  forgetThreads(): void {
    const { abi } = this.runtime;
    this.runtime.protect(this.L, () => {
      for (const key of [KEPT.thread, KEPT.nested]) {
        abi._lua_pushnil(this.L);
        abi._lua_rawseti(this.L, REGISTRY, key);
      }
    });
  }

  /** Collects all garbage. Returns false if too little memory is free even then. */
  recoverMemory(): boolean {
    const { abi } = this.runtime;
    this.account.allowHeadroom(true);
    const status = this.runtime.protect(this.L, () => {
      abi._lua_rawgeti(this.L, REGISTRY, KEPT.collect);
      abi._lua_callk(this.L, 0, 0, 0, 0);
    });
    this.account.allowHeadroom(false);
    const free = GUEST_MEMORY_BYTES - this.account.used;
    return status === STATUS.ok && free >= GUEST_MEMORY_RESERVE_BYTES;
  }

  /** Returns whether the guest has this global function. Metatables of the globals are ignored. */
  defines(name: HookName): boolean {
    let type: number = TYPE.nil;
    this.account.allowHeadroom(true);
    this.runtime.protect(this.L, () => {
      type = this.#pushGlobal(name);
    });
    this.account.allowHeadroom(false);
    return type === TYPE.function;
  }

  #pushGlobal(name: string): number {
    const { abi } = this.runtime;
    const { L } = this;
    abi._lua_rawgeti(L, REGISTRY, REGISTRY_GLOBALS);
    this.runtime.pushString(L, name);
    const type = abi._lua_rawget(L, -2);
    // The stack holds the table of globals and, above it, the value. Only the value remains.
    abi._lua_copy(L, -1, -2);
    abi._lua_settop(L, -2);
    return type;
  }

  close(): void {
    this.runtime.closeState(this.L, this.account);
  }
}

/** Thrown if the guest's memory is exhausted during host work. */
export class OutOfMemory extends Error {}
