/**
 * One call into a guest: an exec, the program or a hook. It runs in slices, so that many guests share one thread.
 *
 * Lua calls `look` every few instructions, and `look` yields if the slice of the call is over. After each slice the
 * limits of the call are checked. A call that is over a limit is never resumed, so no `pcall` in the guest can catch
 * its end. In uninterruptible code (a C function that called back into Lua) the call cannot yield. The call then
 * continues, with a check after every instruction, until it leaves that code or reaches the limit for uninterruptible
 * instructions. At that limit an exception unwinds the call. The Lua state is then no longer trusted: it is lost.
 */
import {
  GUEST_MEMORY_RESERVE_BYTES,
  MAX_DESCRIBE_INSTRUCTIONS,
  MAX_ERROR_BYTES,
  MAX_UNINTERRUPTIBLE_INSTRUCTIONS,
  SLICE_INSTRUCTIONS,
  SLICE_MS,
} from "./limits.ts";
import { type LuaState, STATUS, TYPE } from "./lua-abi.ts";
import { type Code, type LuaGuest, OutOfMemory } from "./lua-guest.ts";
import { ResultError, ResultReader } from "./lua-json.ts";
import type { MemoryAccount } from "./lua-memory.ts";
import type { OnProcessor } from "./lua-runtime.ts";

export interface CallLimits {
  readonly instructions: number;
  /** Time limit of the call in ms, measured from its first slice. It includes the time in which other guests run. */
  readonly timeoutMs: number;
}

export type CallOutcome =
  | {
      readonly ok: true;
      /** The value that the guest's code returned; null for none, an array for several. */
      readonly result: unknown;
      /**
       * The environment changes that the guest requested, by the Lua names of the fields; undefined if there are none.
       */
      readonly environment: Readonly<Record<string, number>> | undefined;
    }
  | {
      readonly ok: false;
      readonly code: "GUEST_ERROR" | "GUEST_TIMEOUT" | "GUEST_OUT_OF_MEMORY" | "TOO_LARGE" | "UNAVAILABLE";
      readonly message: string;
      readonly traceback?: string;
      /** True if the time limit ended the call: on a faster host it could have gone on. */
      readonly byTime?: boolean;
    };

export interface CallEnd {
  readonly outcome: CallOutcome;
  readonly instructions: number;
  /** True if the guest's Lua state can no longer be used. */
  readonly stateLost: boolean;
}

/** A limit of a call that is exceeded. */
interface Excess {
  readonly message: string;
  readonly byTime: boolean;
}

/** Thrown through Lua to end a guest in uninterruptible code. */
class Uninterruptible extends Error {
  readonly excess: Excess;
  constructor(excess: Excess) {
    super(excess.message);
    this.excess = excess;
  }
}

const DESCRIBE_LIMITS: CallLimits = { instructions: MAX_DESCRIBE_INSTRUCTIONS, timeoutMs: SLICE_MS * 10 };
const MEMORY_MESSAGE = "not enough memory";
const UNINTERRUPTIBLE: Excess = {
  message: "too many instructions in a function that cannot be interrupted",
  byTime: false,
};

export class LuaCall implements OnProcessor {
  readonly #guest: LuaGuest;
  readonly #limits: CallLimits;
  readonly #write: (text: Uint8Array) => void;
  #thread: LuaState = 0;
  #args = 0;
  #executed = 0;
  /** Number of instructions from the last check to the next one. */
  #interval = 0;
  #looksSoon = false;
  #uninterruptible = 0;
  #sliceStart = 0;
  #sliceStartMs = 0;
  #deadlineMs: number | undefined;
  /** True for the nested call that only converts an error value to text. */
  #describes = false;

  /**
   * Creates a call that has not begun. `write` receives each printed line without its line end; the bytes are valid
   * only until `write` returns.
   */
  constructor(guest: LuaGuest, limits: CallLimits, write: (text: Uint8Array) => void) {
    this.#guest = guest;
    this.#limits = limits;
    this.#write = write;
  }

  get account(): MemoryAccount {
    return this.#guest.account;
  }

  /**
   * Prepares the work on a new Lua thread. Returns undefined if the thread is ready to run. Returns a `CallEnd` with
   * the error if the source does not compile or memory runs out.
   */
  begin(work: Code, view: unknown): CallEnd | undefined {
    let syntaxError = false;
    const prepared = this.#hostWork(() => {
      const ready = this.#guest.prepare(work, view);
      this.#thread = ready.thread;
      this.#args = ready.args;
      syntaxError = ready.syntaxError;
    });
    if (!prepared) return this.#outOfMemory();
    return syntaxError ? this.#failed(false) : undefined;
  }

  /** Runs one slice of the call. Returns a `CallEnd` if the call is over, and undefined if it needs another slice. */
  advance(): CallEnd | undefined {
    const { runtime, L } = this.#guest;
    this.#sliceStart = this.#executed;
    this.#sliceStartMs = runtime.now();
    if (this.#deadlineMs === undefined) {
      this.#deadlineMs = this.#sliceStartMs + this.#limits.timeoutMs;
      this.#interval = this.#untilLimit(this.account.look());
      runtime.setHook(this.#thread, this.#interval);
    }
    let status: number = STATUS.memory;
    try {
      runtime.protect(L, () => {
        status = runtime.runs(this, () =>
          runtime.abi._lua_resume(this.#thread, L, this.#args, runtime.wordOut),
        );
      });
    } catch (error) {
      if (!(error instanceof Uninterruptible)) throw error;
      return this.#end(timeout(error.excess), true);
    }
    this.#args = 0;
    if (status === STATUS.yield) {
      const over = this.#overLimit();
      return over === undefined ? undefined : this.#end(timeout(over), false);
    }
    this.#executed += this.#interval - runtime.untilLook(this.#thread);
    if (status === STATUS.ok) return this.#succeeded(runtime.abi.HEAP32[runtime.wordOut >> 2] ?? 0);
    return status === STATUS.memory ? this.#outOfMemory() : this.#failed(true);
  }

  // -------------------------------------------------------------- called from inside Lua

  look(thread: LuaState): void {
    const { runtime } = this.#guest;
    this.#executed += this.#interval;
    this.#looksSoon = false;
    const interval = this.#untilLimit(this.account.look());
    const over = this.#overLimit();
    const sliceOver =
      over !== undefined ||
      this.#executed - this.#sliceStart >= SLICE_INSTRUCTIONS ||
      runtime.now() - this.#sliceStartMs >= SLICE_MS;
    if (runtime.abi._lua_isyieldable(thread) !== 0) {
      this.#uninterruptible = 0;
      this.#setInterval(thread, interval);
      if (sliceOver) runtime.abi._lua_yieldk(thread, 0, 0, 0);
      return;
    }
    this.#uninterruptible += this.#interval;
    if (this.#uninterruptible > MAX_UNINTERRUPTIBLE_INSTRUCTIONS) {
      throw new Uninterruptible(over ?? UNINTERRUPTIBLE);
    }
    this.#setInterval(thread, sliceOver ? 1 : interval);
  }

  lookSoon(): void {
    if (this.#looksSoon) return;
    this.#looksSoon = true;
    this.#executed += this.#interval - this.#guest.runtime.untilLook(this.#thread);
    this.#interval = 0;
    this.#setInterval(this.#thread, 1);
  }

  charge(instructions: number): void {
    this.#executed += instructions;
    if (instructions >= SLICE_INSTRUCTIONS / 10) this.lookSoon();
  }

  write(text: Uint8Array): void {
    this.#write(text);
  }

  /** Returns the interval, but not more than the instructions that are left: so a call ends at exactly the same one. */
  #untilLimit(interval: number): number {
    return Math.max(1, Math.min(interval, this.#limits.instructions + 1 - this.#executed));
  }

  #setInterval(thread: LuaState, interval: number): void {
    if (interval === this.#interval) return;
    this.#interval = interval;
    this.#guest.runtime.setHook(thread, interval);
  }

  #overLimit(): Excess | undefined {
    const { instructions, timeoutMs } = this.#limits;
    if (this.#executed > instructions) return { message: `over ${instructions} instructions`, byTime: false };
    const late = this.#guest.runtime.now() > (this.#deadlineMs ?? Number.POSITIVE_INFINITY);
    return late ? { message: `over ${timeoutMs} ms`, byTime: true } : undefined;
  }

  // -------------------------------------------------------------- the end of a call

  #succeeded(results: number): CallEnd {
    const { runtime, L } = this.#guest;
    const { abi } = runtime;
    const reader = new ResultReader(runtime, this.#thread);
    let result: unknown = null;
    let environment: unknown;
    try {
      const read = this.#hostWork(() => {
        if (results === 1) result = reader.read(-1);
        else if (results > 1) result = Array.from({ length: results }, (_, i) => reader.read(i - results));
        this.#guest.pushWantedEnvironment();
        environment = new ResultReader(runtime, L).read(-1);
        abi._lua_settop(L, -2);
      });
      if (!read) return this.#outOfMemory();
    } catch (error) {
      if (!(error instanceof ResultError)) throw error;
      return this.#end({ ok: false, code: error.code, message: error.message }, false);
    }
    const wanted = environment === null ? undefined : (environment as Record<string, number>);
    return this.#end({ ok: true, result, environment: wanted }, false);
  }

  /** Ends the call with the Lua error whose value is on top of the thread's stack. */
  #failed(withTraceback: boolean): CallEnd {
    const { runtime, L } = this.#guest;
    const { abi } = runtime;
    let message: string | undefined;
    let traceback: string | undefined;
    const read = this.#hostWork(() => {
      const type = abi._lua_type(this.#thread, -1);
      if (type === TYPE.string || type === TYPE.number)
        message = runtime.textAt(this.#thread, -1, MAX_ERROR_BYTES);
      if (!withTraceback) return;
      abi._luaL_traceback(L, this.#thread, 0, 0);
      traceback = runtime.textAt(L, -1, MAX_ERROR_BYTES);
      abi._lua_settop(L, -2);
    });
    if (!read) return this.#outOfMemory();
    const described = message === undefined ? this.#describe() : { message, stateLost: false };
    const failure = { ok: false, code: "GUEST_ERROR", message: described.message } as const;
    return this.#end(traceback === undefined ? failure : { ...failure, traceback }, described.stateLost);
  }

  /**
   * Calls the guest's `__tostring`, under its own limits, to convert a non-string error value to text. Returns that
   * text, and whether the Lua state was lost during this conversion.
   */
  #describe(): { message: string; stateLost: boolean } {
    const unreadable = "the error value cannot be converted to text";
    if (this.#describes) return { message: unreadable, stateLost: false };
    const call = new LuaCall(this.#guest, DESCRIBE_LIMITS, () => {});
    call.#describes = true;
    const prepared = this.#hostWork(() => {
      const { thread, args } = this.#guest.prepareDescription(this.#thread);
      call.#thread = thread;
      call.#args = args;
    });
    if (!prepared) return { message: unreadable, stateLost: false };
    let end: CallEnd | undefined;
    while (end === undefined) end = call.advance();
    const text = end.outcome.ok && typeof end.outcome.result === "string" ? end.outcome.result : unreadable;
    return { message: text.slice(0, MAX_ERROR_BYTES), stateLost: end.stateLost };
  }

  #outOfMemory(): CallEnd {
    if (!this.#describes) this.#guest.forgetThreads();
    const recovered = this.#guest.recoverMemory();
    return this.#end({ ok: false, code: "GUEST_OUT_OF_MEMORY", message: MEMORY_MESSAGE }, !recovered);
  }

  #end(outcome: CallOutcome, stateLost: boolean): CallEnd {
    if (!this.#describes) this.#guest.forgetThreads();
    // A failed guest may stay idle for long, so its garbage is collected now instead of at its next allocation.
    if (!outcome.ok && !stateLost && this.account.used > GUEST_MEMORY_RESERVE_BYTES)
      this.#guest.recoverMemory();
    return { outcome, instructions: this.#executed, stateLost };
  }

  /**
   * Runs driver code on the guest's Lua state, with some memory beyond the guest's limit. Returns false if the code
   * fails even so, for example for lack of memory.
   */
  #hostWork(body: () => void): boolean {
    const { runtime, L } = this.#guest;
    this.account.allowHeadroom(true);
    try {
      return runtime.protect(L, body) === STATUS.ok;
    } catch (error) {
      if (error instanceof OutOfMemory) return false;
      throw error;
    } finally {
      this.account.allowHeadroom(false);
    }
  }
}

function timeout({ message, byTime }: Excess): CallOutcome {
  return { ok: false, code: "GUEST_TIMEOUT", message, ...(byTime ? { byTime } : {}) };
}
