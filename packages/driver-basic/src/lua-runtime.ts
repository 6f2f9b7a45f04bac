/**
 * One instance of the Lua module and the few functions it calls back: allocator, hook, output, pattern matching.
 *
 * Many Lua states live in one instance; one of them runs at a time, as `runs(guest, …)` says. The runtime knows nothing of
 * what a guest is for. It owns the rules that keep the instance alive (see `lua-abi.ts`): nothing that can fail is
 * called outside `protect`, and nothing a guest does ends the instance.
 *
 * Instructions are counted exactly: the count hook gives whole intervals, and the rest is read from the state. Where
 * the state keeps it is found once, by setting a count no other word has and looking for it.
 */
import { invariant } from "@bioxen/kernel";
import { TOTAL_MEMORY_BYTES } from "./limits.ts";
import {
  constantString,
  type LuaAbi,
  type LuaState,
  loadLuaAbi,
  MASK_COUNT,
  type Pointer,
  TYPE,
} from "./lua-abi.ts";
import { MemoryAccount } from "./lua-memory.ts";
import { scanFromLua } from "./lua-scan.ts";

/** The guest that is on the processor. */
export interface OnProcessor {
  readonly account: MemoryAccount;
  /** Called every few instructions; may yield the thread, or throw to end the guest where it cannot be yielded. */
  look(thread: LuaState): void;
  /** The guest should be looked at before its next instruction. */
  lookSoon(): void;
  /** Work done for the guest outside Lua, in instructions. */
  charge(instructions: number): void;
  write(text: Uint8Array): void;
}

/** A hook interval that no other word of a fresh Lua state has. */
const SENTINEL_COUNT = 0x1234567;
/** Bytes of a Lua state in which the hook's counter is looked for; it is 108 in Lua 5.4.6. */
const STATE_SEARCH_BYTES = 512;
const FIRST_SCRATCH_BYTES = 4096;

export class LuaRuntime {
  readonly abi: LuaAbi;
  /** Milliseconds, monotone. */
  readonly now: () => number;
  readonly #accounts: (MemoryAccount | undefined)[] = [undefined];
  readonly #freeSlots: number[] = [];
  readonly #allocator: Pointer;
  readonly #trampoline: Pointer;
  readonly #hook: Pointer;
  readonly #lengthOut: Pointer;
  /** A word for the results of `lua_resume`. */
  readonly wordOut: Pointer;
  readonly #heartbeat: () => void;
  readonly #decoder = new TextDecoder();
  readonly #encoder = new TextEncoder();
  #scratch: Pointer = 0;
  #scratchBytes = 0;
  #totalUsed = 0;
  #body: (() => void) | undefined;
  #thrown: { readonly error: unknown } | undefined;
  #running: OnProcessor | undefined;
  #countOffset = 0;
  /** Functions given to the sandbox. */
  readonly scanFunction: Pointer;
  readonly writeFunction: Pointer;

  /** `heartbeat` is called at every look: the sign of life for a watchdog in another thread. */
  static async load(options: { now?: () => number; heartbeat?: () => void } = {}): Promise<LuaRuntime> {
    return new LuaRuntime(await loadLuaAbi(), options);
  }

  private constructor(abi: LuaAbi, options: { now?: () => number; heartbeat?: () => void }) {
    this.abi = abi;
    this.now = options.now ?? (() => performance.now());
    this.#heartbeat = options.heartbeat ?? (() => {});
    this.#lengthOut = constantString(abi, "8 bytes");
    this.wordOut = constantString(abi, "8 bytes");
    this.#allocator = abi.addFunction(
      (slot = 0, block = 0, oldSize = 0, newSize = 0) => this.#allocate(slot, block, oldSize, newSize >>> 0),
      "iiiii",
    );
    this.#trampoline = abi.addFunction(() => this.#runBody(), "ii");
    this.#hook = abi.addFunction((thread = 0) => {
      this.#heartbeat();
      this.#running?.look(thread);
      return undefined;
    }, "vii");
    this.scanFunction = abi.addFunction((L = 0) => scanFromLua(this, L), "ii");
    this.writeFunction = abi.addFunction((L = 0) => {
      this.#running?.write(this.bytesAt(L, 1));
      return 0;
    }, "ii");
    this.#countOffset = this.#findCounter();
  }

  /** A new Lua state on this account, or 0 when there is no memory for it. */
  newState(account: MemoryAccount): LuaState {
    const slot = this.#freeSlots.pop() ?? this.#accounts.length;
    this.#accounts[slot] = account;
    const state = this.abi._lua_newstate(this.#allocator, slot);
    if (state === 0) this.#releaseSlot(slot);
    return state;
  }

  /** Frees the state and everything in it. No guest code runs: guests cannot have finalisers. */
  closeState(L: LuaState, account: MemoryAccount): void {
    this.abi._lua_close(L);
    invariant(account.used === 0, "a closed Lua state left memory behind", { bytes: account.used });
    this.#releaseSlot(this.#accounts.indexOf(account));
  }

  #releaseSlot(slot: number): void {
    this.#accounts[slot] = undefined;
    this.#freeSlots.push(slot);
  }

  /**
   * Runs `body` as a C function called by `L` in protected mode: with 20 free stack slots of its own. Returns the status.
   *
   * A Lua error inside ends it with a status that is not `ok`. What `body` itself throws is thrown again here.
   */
  protect(L: LuaState, body: () => void): number {
    invariant(this.#body === undefined, "protect does not nest");
    this.#body = body;
    this.abi._lua_pushcclosure(L, this.#trampoline, 0);
    const status = this.abi._lua_pcallk(L, 0, 0, 0, 0, 0);
    this.#body = undefined;
    if (status !== 0) this.abi._lua_settop(L, -2);
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown !== undefined) throw thrown.error;
    return status;
  }

  #runBody(): number {
    try {
      this.#body?.();
    } catch (error) {
      // The module raises Lua errors by throwing a number; that one belongs to the protected call below.
      if (typeof error === "number") throw error;
      this.#thrown = { error };
    }
    return 0;
  }

  /** Runs `body` with this guest on the processor. */
  runs<T>(guest: OnProcessor, body: () => T): T {
    this.#running = guest;
    try {
      return body();
    } finally {
      this.#running = undefined;
    }
  }

  get running(): OnProcessor | undefined {
    return this.#running;
  }

  /** The thread is looked at after `instructions` more. Between a yield and its resume this would lose a look. */
  setHook(thread: LuaState, instructions: number): void {
    this.abi._lua_sethook(thread, this.#hook, MASK_COUNT, instructions);
  }

  /** Instructions left until the thread is looked at. */
  untilLook(thread: LuaState): number {
    return this.abi.HEAP32[(thread + this.#countOffset) >> 2] ?? 0;
  }

  pushString(L: LuaState, text: string): void {
    const bytes = this.#encoder.encode(text);
    this.abi._lua_pushlstring(L, this.toScratch(bytes), bytes.length);
  }

  /** Copies into memory of the module that is valid until the next call. */
  toScratch(bytes: Uint8Array): Pointer {
    if (bytes.length > this.#scratchBytes) {
      const size = Math.max(bytes.length, FIRST_SCRATCH_BYTES);
      const moved = this.abi._realloc(this.#scratch, size);
      invariant(moved !== 0, "no memory for the host's own strings", { size });
      this.#scratch = moved;
      this.#scratchBytes = size;
    }
    this.abi.HEAPU8.set(bytes, this.#scratch);
    return this.#scratch;
  }

  /**
   * The bytes of a string or number on the stack, as a view that is valid until the next call into the module. A number
   * is turned into a string in its place, as Lua does.
   */
  bytesAt(L: LuaState, index: number): Uint8Array {
    const address = this.abi._lua_tolstring(L, index, this.#lengthOut);
    if (address === 0) return new Uint8Array(0);
    const length = this.abi.HEAPU32[this.#lengthOut >> 2] ?? 0;
    return this.abi.HEAPU8.subarray(address, address + length);
  }

  /** The string on the stack as text; bytes that are not UTF-8 become U+FFFD. Cut off after `maxBytes`. */
  textAt(L: LuaState, index: number, maxBytes: number): string {
    const bytes = this.bytesAt(L, index);
    return this.#decoder.decode(bytes.length > maxBytes ? bytes.subarray(0, maxBytes) : bytes);
  }

  #allocate(slot: number, block: Pointer, oldSize: number, newSize: number): Pointer {
    const account = this.#accounts[slot];
    invariant(account !== undefined, "memory asked for by no guest", { slot });
    if (newSize === 0) {
      if (block === 0) return 0;
      account.freed(block, oldSize);
      this.#totalUsed -= oldSize;
      this.abi._free(block);
      return 0;
    }
    const growth = block === 0 ? newSize : newSize - oldSize;
    if (!account.allows(growth) || (growth > 0 && this.#totalUsed + growth > TOTAL_MEMORY_BYTES)) {
      // Each refusal costs a full collection, so the next one is not waited for.
      if (this.#running?.account === account) this.#running.lookSoon();
      return 0;
    }
    const moved = this.abi._realloc(block, newSize);
    if (moved === 0) return 0;
    this.#totalUsed += growth;
    const isString = block === 0 && oldSize === TYPE.string;
    const soon = account.grown(moved, growth, newSize, isString);
    if (soon && this.#running?.account === account) this.#running.lookSoon();
    return moved;
  }

  #findCounter(): number {
    const account = new MemoryAccount();
    const L = this.newState(account);
    invariant(L !== 0, "no memory for the first Lua state");
    this.setHook(L, SENTINEL_COUNT);
    const words = this.abi.HEAP32.subarray(L >> 2, (L + STATE_SEARCH_BYTES) >> 2);
    // Two words side by side: the interval, and after it what is left of it.
    const at = words.findIndex((word, i) => word === SENTINEL_COUNT && words[i + 1] === SENTINEL_COUNT);
    invariant(at >= 0, "this build of Lua keeps its instruction counter elsewhere");
    this.closeState(L, account);
    return (at + 1) * 4;
  }
}
