/**
 * Runs Lua in this thread, for tests: one guest as in the worker, and the plain library for comparison.
 */
import { STATUS } from "../src/lua-abi.ts";
import { type CallEnd, type CallOutcome, LuaCall } from "../src/lua-call.ts";
import { type GuestIdentity, LuaGuest } from "../src/lua-guest.ts";
import { MemoryAccount } from "../src/lua-memory.ts";
import { LuaRuntime } from "../src/lua-runtime.ts";

const upTo = (largest: number) => ({ least: 0, largest });

export const IDENTITY: GuestIdentity = {
  vmId: "cell-1",
  biologicalType: "syn3a",
  seed: 42,
  environmentBounds: { nutrient_quality: upTo(10), substrate: upTo(1e9), chloramphenicol_um: upTo(1000) },
};

export const VIEW = {
  growth_rate: 0.0066,
  doubling_time: null,
  sim_minutes: 12,
  ribosomes: { total: 500, engaged: 400, cap: 503 },
  atp: { molecules: 70_000, per_second: 13_000, cap_per_second: 13_247 },
  rna_polymerases: { cap: 187 },
  outputs: { "lacI.protein": 40.5 },
  protein_amino_acids: 3e7,
  divisions: 2,
  health: 100,
  environment: { nutrient_quality: 0.2, substrate: 1e4, chloramphenicol_um: 0 },
};

export interface Ran extends CallEnd {
  readonly stdout: string[];
  readonly slices: number;
  /** The longest slice, ms of processor time of this thread; no other guest runs during a slice. */
  readonly longestSliceMs: number;
}

export interface Bench {
  readonly runtime: LuaRuntime;
  /** The current Lua state; replaced after a call that lost it. */
  guest(): LuaGuest;
  run(source: string, limits?: { timeoutMs?: number; instructions?: number }): Ran;
  /** Returns the result of a call; throws the code and message of a failure. */
  value(source: string): unknown;
  /** Returns the code of the failure, or `ok`. */
  code(source: string, timeoutMs?: number): string;
  close(): void;
}

export async function luaBench(): Promise<Bench> {
  const runtime = await LuaRuntime.load({ now: processorMs });
  let guest = LuaGuest.boot(runtime, IDENTITY);

  function run(source: string, limits: { timeoutMs?: number; instructions?: number } = {}): Ran {
    const stdout: string[] = [];
    const call = new LuaCall(
      guest,
      { timeoutMs: limits.timeoutMs ?? 2_000, instructions: limits.instructions ?? 1e9 },
      (text) => stdout.push(Buffer.from(text).toString()),
    );
    let end = call.begin({ kind: "chunk", source, name: "exec" }, VIEW);
    let slices = 0;
    let longestSliceMs = 0;
    while (end === undefined) {
      const startMs = processorMs();
      end = call.advance();
      longestSliceMs = Math.max(longestSliceMs, processorMs() - startMs);
      slices += 1;
    }
    if (end.stateLost) {
      guest.close();
      guest = LuaGuest.boot(runtime, IDENTITY);
    }
    return { ...end, stdout, slices, longestSliceMs };
  }

  return {
    runtime,
    guest: () => guest,
    run,
    value: (source) => resultOf(run(source).outcome),
    code: (source, timeoutMs = 100) => {
      const { outcome } = run(source, { timeoutMs });
      return outcome.ok ? "ok" : outcome.code;
    },
    close: () => guest.close(),
  };
}

/** Measures processor time, because other processes may delay the guest. */
export function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function resultOf(outcome: CallOutcome): unknown {
  if (outcome.ok) return outcome.result;
  throw new Error(`${outcome.code}: ${outcome.message}`);
}

/** Runs source that returns one string, with Lua's own libraries instead of the sandbox. */
export function plainLua(runtime: LuaRuntime, source: string): string {
  const account = new MemoryAccount();
  const L = runtime.newState(account);
  const { abi } = runtime;
  let result = "";
  const status = runtime.protect(L, () => {
    abi._luaopen_base(L);
    for (const name of ["string", "table"] as const) {
      abi._lua_rawgeti(L, -1_001_000, 2n);
      runtime.pushString(L, name);
      abi[`_luaopen_${name}`](L);
      abi._lua_rawset(L, -3);
    }
    const bytes = new TextEncoder().encode(`${source}\0=exec\0t\0`);
    const at = runtime.toScratch(bytes);
    const length = bytes.length - 9;
    abi._luaL_loadbufferx(L, at, length, at + length + 1, at + length + 7);
    abi._lua_callk(L, 0, 1, 0, 0);
    result = runtime.textAt(L, -1, 1e6);
  });
  runtime.closeState(L, account);
  if (status !== STATUS.ok) throw new Error(`plain Lua ended with status ${status}`);
  return result;
}
