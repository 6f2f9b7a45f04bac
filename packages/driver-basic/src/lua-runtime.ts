/**
 * One instance of the Lua module with the functions that the module calls: allocator, hook, output, pattern matching.
 *
 * An instance holds many Lua states, of which one runs at a time, inside `runs(guest, …)`. The runtime does not depend
 * on the purpose of a guest. It enforces the rules that keep the instance alive (see `lua-abi.ts`): calls that can fail
 * are made inside `protect`, and no guest can end the instance.
 *
 * Instructions are counted exactly: the hook reports whole intervals, and a counter in the Lua state has the
 * instructions since the last report. The offset of that counter is found once, by a search for a unique count in a
 * new state.
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

/** The call that is currently running in the Lua module, as the runtime sees it. */
export interface OnProcessor {
  readonly account: MemoryAccount;
  /** Lua calls this every few instructions. It may yield the thread, or throw to end a call whose code cannot yield. */
  look(thread: LuaState): void;
  /** Requests a call of `look` before the guest's next instruction. */
  lookSoon(): void;
  /** Adds work that was done for the guest outside Lua to its instruction count. */
  charge(instructions: number): void;
  write(text: Uint8Array): void;
}

/** A hook interval whose value occurs nowhere else in a new Lua state, so that a search finds the hook counter. */
const SENTINEL_COUNT = 0x1234567;
/**
 * Number of bytes at the start of a Lua state that are searched for the hook counter; its offset is 108 in Lua 5.4.6.
 */
const STATE_SEARCH_BYTES = 512;
const FIRST_SCRATCH_BYTES = 4096;

export class LuaRuntime {
  readonly abi: LuaAbi;
  /** Returns the time of a monotonic clock in ms. */
  readonly now: () => number;
  readonly #accounts: (MemoryAccount | undefined)[] = [undefined];
  readonly #freeSlots: number[] = [];
  readonly #allocator: Pointer;
  readonly #trampoline: Pointer;
  readonly #hook: Pointer;
  readonly #lengthOut: Pointer;
  /** Address of a word into which `lua_resume` writes its number of results. */
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
  /** Address of the pattern search function that the sandbox calls, see `lua-scan.ts`. */
  readonly scanFunction: Pointer;
  /** Address of the output function that the sandbox calls. */
  readonly writeFunction: Pointer;

  /**
   * Loads a new instance of the Lua module. `heartbeat` is called at every check of a guest, for a watchdog in another
   * thread.
   */
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

  /** Returns a new Lua state whose memory is counted by this account, or 0 if there is not enough memory. */
  newState(account: MemoryAccount): LuaState {
    const slot = this.#freeSlots.pop() ?? this.#accounts.length;
    this.#accounts[slot] = account;
    const state = this.abi._lua_newstate(this.#allocator, slot);
    if (state === 0) this.#releaseSlot(slot);
    return state;
  }

  /** Frees the Lua state and its content. No guest code runs, because guests have no finalisers. */
  closeState(L: LuaState, account: MemoryAccount): void {
    this.abi._lua_close(L);
    invariant(account.used === 0, "a closed Lua state leaked memory", { bytes: account.used });
    this.#releaseSlot(this.#accounts.indexOf(account));
  }

  #releaseSlot(slot: number): void {
    this.#accounts[slot] = undefined;
    this.#freeSlots.push(slot);
  }

  /**
   * Runs `body` as a C function called by `L` in protected mode, with 20 free stack slots. Returns the status of that
   * call.
   *
   * A Lua error inside `body` ends the call with a status other than `ok`. A JavaScript exception of `body` is
   * rethrown.
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
      // The module raises Lua errors by throwing a number, which the protected call below must receive.
      if (typeof error === "number") throw error;
      this.#thrown = { error };
    }
    return 0;
  }

  /** Runs `body` while `guest` is registered as the running call. */
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

  /**
   * Sets the number of instructions after which the thread is next checked. Do not call between a yield and its resume:
   * a check would be lost.
   */
  setHook(thread: LuaState, instructions: number): void {
    this.abi._lua_sethook(thread, this.#hook, MASK_COUNT, instructions);
  }

  /** Returns the number of instructions until the next check of the thread. */
  untilLook(thread: LuaState): number {
    return this.abi.HEAP32[(thread + this.#countOffset) >> 2] ?? 0;
  }

  pushString(L: LuaState, text: string): void {
    const bytes = this.#encoder.encode(text);
    this.abi._lua_pushlstring(L, this.toScratch(bytes), bytes.length);
  }

  /**
   * Copies bytes into a buffer in the module's memory, and returns its address. The next call of this method overwrites
   * the buffer.
   */
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
   * Returns the bytes of the string or number at a stack index, as a view that is valid until the next call into the
   * module. A number is converted to a string in place, as Lua does.
   */
  bytesAt(L: LuaState, index: number): Uint8Array {
    const address = this.abi._lua_tolstring(L, index, this.#lengthOut);
    if (address === 0) return new Uint8Array(0);
    const length = this.abi.HEAPU32[this.#lengthOut >> 2] ?? 0;
    return this.abi.HEAPU8.subarray(address, address + length);
  }

  /**
   * Returns the string at a stack index as text, truncated after `maxBytes`. Bytes that are not UTF-8 become U+FFFD.
   */
  textAt(L: LuaState, index: number, maxBytes: number): string {
    const bytes = this.bytesAt(L, index);
    return this.#decoder.decode(bytes.length > maxBytes ? bytes.subarray(0, maxBytes) : bytes);
  }

  #allocate(slot: number, block: Pointer, oldSize: number, newSize: number): Pointer {
    const account = this.#accounts[slot];
    invariant(account !== undefined, "memory requested without a guest", { slot });
    if (newSize === 0) {
      if (block === 0) return 0;
      account.freed(block, oldSize);
      this.#totalUsed -= oldSize;
      this.abi._free(block);
      return 0;
    }
    const growth = block === 0 ? newSize : newSize - oldSize;
    if (!account.allows(growth) || (growth > 0 && this.#totalUsed + growth > TOTAL_MEMORY_BYTES)) {
      // After a refused request for memory, Lua collects all garbage, which is slow. The limits of the guest are
      // therefore checked before its next instruction, not after a further refusal.
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
    // Two adjacent words hold the hook interval and the number of instructions until the next hook call.
    const at = words.findIndex((word, i) => word === SENTINEL_COUNT && words[i + 1] === SENTINEL_COUNT);
    invariant(at >= 0, "this build of Lua has its instruction counter at an unknown offset");
    this.closeState(L, account);
    return (at + 1) * 4;
  }
}
