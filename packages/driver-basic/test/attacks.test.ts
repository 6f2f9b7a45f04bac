/**
 * All known attempts to block the thread, exhaust the memory or escape the sandbox. Each ends soon with the expected code, and the
 * same guest runs the next call.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GUEST_MEMORY_BYTES } from "../src/limits.ts";
import { type Bench, luaBench } from "./run-lua.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await luaBench();
});
afterAll(() => bench.close());

/**
 * Longest time that one slice may block the thread, ms. A million uninterruptible instructions take 0.1 s on an idle machine, and took
 * 3 s on one that was ten times slower. A slice without a limit never ends.
 */
const MAX_SLICE_MS = 20_000;
/** Timeout of each attack, ms. */
const ATTACK_MS = 40;
/** Timeout for attacks that end by steps or memory, not by time, ms. */
const PATIENT_MS = 10_000;

/** Each source with its expected end. Afterwards the same guest runs the next call. */
const ATTACKS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  "loops, caught or not": [
    ["while true do end", "GUEST_TIMEOUT"],
    ["while true do pcall(function() while true do end end) end", "GUEST_TIMEOUT"],
    ["local function f() pcall(f) end while true do f() end", "GUEST_TIMEOUT"],
    ["while true do xpcall(error, function() end) end", "GUEST_TIMEOUT"],
    ["xpcall(error, function() while true do end end)", "GUEST_TIMEOUT"],
    ["while true do pcall(xpcall, error, function() while true do end end) end", "GUEST_TIMEOUT"],
    ["goto x ::x:: goto x", "GUEST_TIMEOUT"],
    ["local t <close> = setmetatable({}, {__close = function() while true do end end})", "GUEST_TIMEOUT"],
    ["tostring(setmetatable({}, {__tostring = function() while true do end end}))", "GUEST_TIMEOUT"],
    ["return setmetatable({}, {__index = function() while true do end end}).x", "GUEST_TIMEOUT"],
    ["for _ in ipairs(setmetatable({}, {__index = function(_, k) return k end})) do end", "GUEST_TIMEOUT"],
    [
      "for _ in pairs(setmetatable({}, {__pairs = function() while true do end end})) do end",
      "GUEST_TIMEOUT",
    ],
    [
      "string.format('%s', setmetatable({}, {__tostring = function() while true do end end}))",
      "GUEST_TIMEOUT",
    ],
  ],
  "C functions that loop": [
    ["table.move({}, 1, 1e15, 2)", "GUEST_TIMEOUT"],
    ["table.sort({3, 2, 1}, function() while true do end end)", "GUEST_TIMEOUT"],
    ["table.sort(setmetatable({}, {__len = function() return 1 << 40 end}), rawequal)", "GUEST_TIMEOUT"],
    ["table.insert(setmetatable({}, {__len = function() return 1 << 40 end}), 1, 1)", "GUEST_TIMEOUT"],
    ["table.concat(setmetatable({}, {__index = rawlen}), '', 1, 1e15)", "GUEST_OUT_OF_MEMORY"],
    ["table.unpack({}, 1, 1e8)", "GUEST_ERROR"],
    ["string.byte(('x'):rep(1e6), 1, -1)", "GUEST_ERROR"],
    ["utf8.codepoint(('x'):rep(1e6), 1, -1)", "GUEST_ERROR"],
    ["string.unpack(('b'):rep(1e5), ('x'):rep(1e5))", "GUEST_ERROR"],
    ["return #(''):rep(1e18)", "ok"],
    ["return #string.rep('', math.maxinteger, '')", "ok"],
    ["('x'):rep(100):gsub('.', function() while true do end end)", "GUEST_TIMEOUT"],
  ],
  "pattern bombs": [
    ["return string.find(('a'):rep(30000), '.-.-.-.-b')", "GUEST_ERROR"],
    ["return ('a'):rep(30000):match('.*.*.*.*b')", "GUEST_ERROR"],
    ["for _ in ('a'):rep(30000):gmatch('.-.-.-.-b') do end", "GUEST_ERROR"],
    ["return ('a'):rep(30000):gsub('.-.-.-.-b', '')", "GUEST_ERROR"],
    ["return ('a'):rep(30):find(('a?'):rep(190) .. 'b')", "GUEST_ERROR"],
    ["return ('('):rep(30000):find(('%b()'):rep(9))", "GUEST_ERROR"],
    ["while true do pcall(string.find, ('a'):rep(30000), '.-.-.-.-b') end", "GUEST_TIMEOUT"],
    ["return ('a'):rep(2e6):find(('a'):rep(1e6) .. 'b', 1, true)", "ok"],
    ["return ('x'):rep(40):find(('(x)'):rep(33))", "GUEST_ERROR"],
    ["return ('x'):rep(1000):find(('x?'):rep(1000))", "GUEST_ERROR"],
  ],
  "memory bombs": [
    ["return string.rep('x', 1e9)", "GUEST_OUT_OF_MEMORY"],
    ["return ('x'):rep(1e9)", "GUEST_OUT_OF_MEMORY"],
    ["return pcall(string.rep, 'x', 1e9)", "ok"],
    ["local t = {} for i = 1, 1e9 do t[i] = {i} end", "GUEST_OUT_OF_MEMORY"],
    ["T = {} for i = 1, 1e9 do T[i] = {i} end", "GUEST_OUT_OF_MEMORY"],
    ["L = nil while true do L = {L} end", "GUEST_OUT_OF_MEMORY"],
    ["local s = 'x' while true do s = s .. s end", "GUEST_OUT_OF_MEMORY"],
    ["local t = {} while true do t[#t + 1] = #t .. ('x'):rep(1000) end", "GUEST_OUT_OF_MEMORY"],
    ["local function f() return 1 + f() end f()", "GUEST_OUT_OF_MEMORY"],
    [
      "local s = ('x'):rep(1e6) return #string.format(('%s'):rep(7), s, s, s, s, s, s, s)",
      "GUEST_OUT_OF_MEMORY",
    ],
    ["while true do pcall(string.rep, 'x', 1e9) end", "GUEST_TIMEOUT"],
    ["while true do pcall(string.rep, 'x', 5e6) end", "GUEST_TIMEOUT"],
    ["local s = ('x'):rep(1e6) while true do local t = s .. s end", "GUEST_TIMEOUT"],
  ],
  "slow instructions": [
    ["local s = ('1'):rep(2e6) while true do local x = s + 0 end", "GUEST_TIMEOUT"],
    ["local s = ('1'):rep(2e6) while true do tonumber(s) end", "GUEST_TIMEOUT"],
    ["local a, b = ('x'):rep(2e6), ('x'):rep(2e6 - 1) while true do local x = a < b end", "GUEST_TIMEOUT"],
    ["local s = ('x'):rep(2e6) while true do s:upper() end", "GUEST_TIMEOUT"],
    ["local s = ('x'):rep(2e6) while true do utf8.len(s) end", "GUEST_TIMEOUT"],
    ["while true do print(('x'):rep(1e5)) end", "GUEST_TIMEOUT"],
  ],
  "deep nesting": [
    [`return ${"(".repeat(300)}1${")".repeat(300)}`, "GUEST_ERROR"],
    [`${"do ".repeat(300)}${"end ".repeat(300)}`, "GUEST_ERROR"],
    [
      "local t t = setmetatable({}, {__index = function(_, k) return t[k + 1] end}) return t[1]",
      "GUEST_ERROR",
    ],
    [
      "local t = {} setmetatable(t, {__tostring = function() return string.format('%s', t) end}) return tostring(t)",
      "GUEST_ERROR",
    ],
    ["return string.format('%99999d', 1)", "GUEST_ERROR"],
  ],
};

describe.each(Object.entries(ATTACKS))("%s", (_, attacks) => {
  const cases = attacks.map(([source, code]) => ({ name: source.slice(0, 110), source, code }));
  it.each(cases)("$name → $code", ({ source, code }) => {
    const ran = bench.run(source, { timeoutMs: code === "GUEST_TIMEOUT" ? ATTACK_MS : PATIENT_MS });
    expect(ran.outcome.ok ? "ok" : ran.outcome.code).toBe(code);
    expect(ran.longestSliceMs).toBeLessThan(MAX_SLICE_MS);
    expect(bench.guest().account.used).toBeLessThan(GUEST_MEMORY_BYTES);
    expect(bench.run("local s = 0 for i = 1, 100 do s = s + i end return s").outcome).toMatchObject({
      result: 5050,
    });
  });
});

describe("weak tables and finalisers", () => {
  it("are rejected by setmetatable, and have no effect if set later", () => {
    expect(bench.code("setmetatable({}, {__gc = function() end})")).toBe("GUEST_ERROR");
    expect(bench.code("setmetatable({}, {__mode = 'k'})")).toBe("GUEST_ERROR");
    const source = `
      local mt, finalised = {}, false
      local weak, dying = setmetatable({}, mt), setmetatable({}, mt)
      mt.__mode, mt.__gc = "k", function() finalised = true end
      weak[{}] = 1
      dying = nil
      for i = 1, 200000 do local garbage = {} end
      return next(weak) ~= nil, finalised`;
    expect(bench.value(source)).toEqual([true, false]);
  });

  it("a chain of weak tables costs the collector no more than ordinary tables", () => {
    const source = `
      local mt, keys, order, all = {}, {}, {}, {}
      local n = 30000
      for i = 1, n do keys[i], order[i] = {}, i end
      for i = n, 2, -1 do local j = math.random(i) order[i], order[j] = order[j], order[i] end
      for i = 1, n do
        local p = order[i]
        all[i] = setmetatable({}, mt)
        if p < n then all[i][keys[p]] = keys[p + 1] end
      end
      mt.__mode = "k"
      local first = keys[1]
      keys = nil
      for i = 1, 300000 do local garbage = {} end
      return #all`;
    const ran = bench.run(source, { timeoutMs: 20_000 });
    expect(ran.outcome).toMatchObject({ ok: true, result: 30_000 });
    expect(ran.longestSliceMs).toBeLessThan(MAX_SLICE_MS);
  });
});
