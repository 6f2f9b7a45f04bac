/**
 * Searches a subject for a pattern, on behalf of `string.find`, `match`, `gmatch` and `gsub` in the sandbox.
 *
 * Lua calls `scan(subject, pattern, init, mode, after)`. `subject` and `pattern` are strings, and `init` is an integer
 * as in `string.find`. `after` is the end of the previous match, where the next match must not end again; -1 means no
 * previous match. The result is nil if there is no match, and `false, message` if the pattern is malformed. Otherwise
 * the results depend on `mode`:
 *
 *   find, plain  first, last, captures …
 *   match        captures …, or the whole match
 *   gmatch       end, then as match; `^` is an ordinary character
 *   gsub         first, end, then as match
 *
 * A scan calls no Lua code. The sandbox itself calls the guest's replacement functions, which can be interrupted there.
 */
import { MAX_CAPTURES } from "./limits.ts";
import type { LuaAbi, LuaState } from "./lua-abi.ts";
import { type Capture, isPlain, PatternError, PatternMatch } from "./lua-pattern.ts";

/** The values of `mode`; sandbox/string.lua has the same values. */
const SCAN = { find: 0, plain: 1, match: 2, gmatch: 3, gsub: 4 } as const;
const CARET = 0x5e;
/**
 * Largest product of subject length and pattern length for which a plain search tries every position. A search above
 * this limit prepares a table first, so that its time stays linear.
 */
const SMALL_SEARCH = 1 << 16;

/** Number of bytes in a plain search that cost a guest as much as one step of a pattern match. */
const BYTES_PER_PLAIN_STEP = 4;

interface Found {
  readonly from: number;
  readonly to: number;
  readonly captures: readonly Capture[];
}

/** The parts of the calling Lua instance that a scan uses; implemented by `LuaRuntime`. */
export interface ScanHost {
  readonly abi: LuaAbi;
  /** The guest that runs now: the steps of a scan are charged to its instruction budget. */
  readonly running: { charge(instructions: number): void } | undefined;
  /** Returns the bytes of the string at `index`, valid until the next call into the module. */
  bytesAt(L: LuaState, index: number): Uint8Array;
  pushString(L: LuaState, text: string): void;
}

/** Runs one scan with the arguments on the stack of `L`. Pushes the results there, and returns their number. */
export function scanFromLua(runtime: ScanHost, L: LuaState): number {
  const { abi } = runtime;
  const subject = runtime.bytesAt(L, 1);
  const pattern = runtime.bytesAt(L, 2);
  const mode = abi._lua_tonumberx(L, 4, 0);
  const start = startOf(abi._lua_tonumberx(L, 3, 0), subject.length);
  const after = abi._lua_tonumberx(L, 5, 0);
  const work = { steps: 0 };
  let found: Found | undefined;
  try {
    if (start <= subject.length) found = search(subject, pattern, start, mode, after, work);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    charge(runtime, work.steps);
    abi._lua_pushboolean(L, 0);
    runtime.pushString(L, error.message);
    return 2;
  }
  charge(runtime, work.steps);
  if (found === undefined) {
    abi._lua_pushnil(L);
    return 1;
  }
  return pushFound(runtime, L, subject.byteOffset, mode, found);
}

function charge(runtime: ScanHost, steps: number): void {
  runtime.running?.charge(Math.ceil(steps));
}

/** Converts Lua's `init` (1 is the first byte, negative values count from the end) to an index from 0. */
function startOf(init: number, length: number): number {
  if (init > 0) return init - 1;
  return init === 0 ? 0 : Math.max(0, length + init);
}

function search(
  subject: Uint8Array,
  pattern: Uint8Array,
  start: number,
  mode: number,
  after: number,
  work: { steps: number },
): Found | undefined {
  if (mode === SCAN.plain || (mode === SCAN.find && isPlain(pattern))) {
    work.steps = (subject.length - start + pattern.length) / BYTES_PER_PLAIN_STEP;
    const from = plainSearch(subject, pattern, start);
    return from < 0 ? undefined : { from, to: from + pattern.length, captures: [] };
  }
  const anchored = mode !== SCAN.gmatch && pattern[0] === CARET;
  const match = new PatternMatch(subject, pattern);
  try {
    for (let from = start; from <= subject.length; from += 1) {
      const to = match.at(from, anchored ? 1 : 0);
      if (to >= 0 && to !== after) {
        const whole = { from, to };
        return { from, to, captures: match.captures(mode === SCAN.find ? undefined : whole) };
      }
      if (anchored) return undefined;
    }
    return undefined;
  } finally {
    work.steps = match.steps;
  }
}

/** Returns the first position of `pattern` at or after `start`, or -1. The time is linear in both lengths. */
export function plainSearch(subject: Uint8Array, pattern: Uint8Array, start: number): number {
  if (pattern.length === 0) return start;
  if ((subject.length - start) * pattern.length <= SMALL_SEARCH || pattern.length === 1) {
    const bytes = Buffer.from(subject.buffer, subject.byteOffset, subject.length);
    return bytes.indexOf(pattern, start);
  }
  // Knuth–Morris–Pratt: border[i] is the length of the longest proper prefix that is a suffix of the first i bytes.
  const border = new Int32Array(pattern.length + 1);
  for (let i = 1, k = 0; i < pattern.length; i += 1) {
    while (k > 0 && pattern[i] !== pattern[k]) k = border[k] ?? 0;
    if (pattern[i] === pattern[k]) k += 1;
    border[i + 1] = k;
  }
  for (let s = start, k = 0; s < subject.length; s += 1) {
    while (k > 0 && subject[s] !== pattern[k]) k = border[k] ?? 0;
    if (subject[s] === pattern[k]) k += 1;
    if (k === pattern.length) return s - k + 1;
  }
  return -1;
}

function pushFound(runtime: ScanHost, L: LuaState, base: number, mode: number, found: Found): number {
  const { abi } = runtime;
  const { from, to, captures } = found;
  if (abi._lua_checkstack(L, MAX_CAPTURES + 2) === 0) {
    abi._lua_pushboolean(L, 0);
    runtime.pushString(L, "stack overflow (captures)");
    return 2;
  }
  let pushed = 0;
  const pushInteger = (value: number): void => {
    abi._lua_pushinteger(L, BigInt(value));
    pushed += 1;
  };
  if (mode === SCAN.find || mode === SCAN.plain || mode === SCAN.gsub) pushInteger(from + 1);
  if (mode !== SCAN.match) pushInteger(to);
  for (const capture of captures) {
    if ("position" in capture) pushInteger(capture.position);
    else {
      // The subject stays valid: it is on the stack, and Lua does not move strings.
      abi._lua_pushlstring(L, base + capture.from, capture.to - capture.from);
      pushed += 1;
    }
  }
  return pushed;
}
