/**
 * The Lua state of a checkpoint, in this thread: it is restored without loss, or rejected with the path of the problem.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAX_KEPT_BYTES, MAX_KEPT_DEPTH, MAX_KEPT_VALUES } from "../src/limits.ts";
import { LuaGuest } from "../src/lua-guest.ts";
import { ResultError } from "../src/lua-json.ts";
import { type KeptLua, keptProblem } from "../src/lua-kept.ts";
import { type Bench, IDENTITY, luaBench } from "./run-lua.ts";

let from: Bench;
let into: Bench;
beforeAll(async () => {
  from = await luaBench();
  into = await luaBench();
});
afterAll(() => {
  from.close();
  into.close();
});

const throughText = (kept: KeptLua): KeptLua => JSON.parse(JSON.stringify(kept)) as KeptLua;

/** Runs `make` in one state, transfers the stored state to another one as text, and evaluates an expression there. */
function carried(make: string, ask: string): unknown {
  from.value(make);
  const kept = throughText(from.guest().keep());
  expect(keptProblem(kept)).toBeUndefined();
  into.value("state = 'another'");
  expect(into.guest().restoreState(kept)).toBe(true);
  into.guest().restoreRandom(kept);
  return into.value(ask);
}

describe("restored values", () => {
  it.each([
    [
      "the empty table it begins with",
      "state = {}",
      "return type(state), next(state) == nil",
      ["table", true],
    ],
    ["nil", "state = nil", "return state == nil", true],
    ["a value that is no table", "state = 'text'", "return state", "text"],
    [
      "integers and floats",
      "state = {1, 1.0, 2^53, 1e300, 0.1}",
      "return state[1] | 0, tostring(state[2]), math.type(state[3]), state[4], state[5]",
      [1, "1.0", "float", 1e300, 0.1],
    ],
    [
      "the largest integers",
      "state = {math.maxinteger, math.mininteger}",
      "return state[1] == math.maxinteger, state[2] == math.mininteger",
      [true, true],
    ],
    [
      "what is no number",
      "state = {0/0, 1/0, -1/0, -0.0}",
      "return state[1] ~= state[1], state[2], state[3], 1 / state[4]",
      [true, "inf", "-inf", "-inf"],
    ],
    [
      "any text",
      "state = {'', 'é\\u{1F600}', '\\u{FEFF}x', 'a\\0b'}",
      "return #state[1], state[2], #state[3], #state[4]",
      [0, "é😀", 4, 3],
    ],
    ["bytes that are no text", "state = '\\xff\\x00\\xfe'", "return state:byte(1, -1)", [255, 0, 254]],
    [
      "every kind of key",
      "state = {[1] = 'i', [-3] = 'n', [1.5] = 'f', x = 's', [true] = 'b', ['\\xff'] = 'y', ['1'] = 't'}",
      "return state[1], state[-3], state[1.5], state.x, state[true], state['\\xff'], state['1']",
      ["i", "n", "f", "s", "b", "y", "t"],
    ],
    [
      "a list with holes",
      "state = {1, nil, 3, [1000000] = 4}",
      "return state[1], state[2], state[3], state[1000000]",
      [1, null, 3, 4],
    ],
    [
      "one table in two places, and in itself",
      "state = {a = {n = 1}} state.b = state.a state.self = state",
      "state.b.n = 2 return state.a.n, state.self.self == state",
      [2, true],
    ],
  ])("%s", (_what, make, ask, result) => {
    expect(carried(make, ask)).toEqual(result);
  });

  it("the random sequence continues", () => {
    from.value("for i = 1, 17 do math.random() end");
    const kept = throughText(from.guest().keep());
    const draw = "return math.random(), math.random(1000000), math.random(0)";
    const next = from.value(draw);
    expect(into.value(draw)).not.toEqual(next);
    into.guest().restoreRandom(kept);
    expect(into.value(draw)).toEqual(next);
    into.guest().restoreRandom({ ...kept, random: null });
    expect(into.value(draw)).not.toEqual(next);
  });

  it("equal states give equal bytes, in any order of creation", () => {
    const names = Array.from({ length: 200 }, (_, i) => `k${i}`);
    const make = (order: readonly string[]) =>
      order.map((name) => `state.${name} = {v = '${name}'}`).join(" ");
    from.value(`state = {} ${make(names)}`);
    into.value(`state = {} ${make(names.toReversed())}`);
    const [a, b] = [from, into].map((bench) => ({ ...bench.guest().keep(), random: null }));
    expect(JSON.stringify(a)).toBe(JSON.stringify(b));
  });

  it("reading leaves the state unchanged, and the guest continues", () => {
    from.value("state = {n = 1, deep = {1, 2, 3}}");
    for (let i = 0; i < 200; i += 1) from.guest().keep();
    expect(from.value("state.n = state.n + 1 return state.n, #state.deep")).toEqual([2, 3]);
  });
});

describe("rejected values", () => {
  it.each([
    ["state = {a = {b = print}}", "GUEST_ERROR", "state.a.b is a function"],
    ["state = {[1] = function() end}", "GUEST_ERROR", "state[1] is a function"],
    ["state = {x = setmetatable({}, {})}", "GUEST_ERROR", "state.x is a table with a metatable"],
    ["state = {[{}] = 1}", "GUEST_ERROR", "state is a table with a key"],
    [`state = {} for i = 1, ${MAX_KEPT_VALUES} do state[i] = i end`, "TOO_LARGE", "values"],
    [`state = ('x'):rep(${MAX_KEPT_BYTES + 1})`, "TOO_LARGE", "bytes"],
    [
      `state = {} local s = state for i = 1, ${MAX_KEPT_DEPTH + 1} do s.s = {} s = s.s end`,
      "TOO_LARGE",
      "deep",
    ],
  ])("%s", (make, code, message) => {
    from.value(make);
    const thrown = (() => {
      try {
        return from.guest().keep();
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(ResultError);
    expect(thrown).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(from.value("return 1 + 1"), "the guest goes on").toBe(2);
  });

  it("with full memory a checkpoint fails, and the guest continues", () => {
    const fill =
      "filler = {} pcall(function() while true do filler[#filler + 1] = ('x'):rep(1000) .. #filler end end)";
    into.run(fill);
    into.value("state = {}");
    expect(() => into.guest().keep()).not.toThrow(TypeError);
    into.value("filler = nil");
    const big = { t: 0 } as const;
    const tables = [Array.from({ length: 9_000 }, (_, i) => [i, `${i}${"y".repeat(1_000)}`] as const)];
    expect(into.guest().restoreState({ random: null, state: big, tables })).toBe(false);
    expect(into.value("return 1 + 1")).toBe(2);
  });

  it.each([
    null,
    {},
    { random: "00", state: null, tables: [] },
    { random: "0".repeat(64), state: null, tables: [] },
    { random: null, state: { t: 0 }, tables: [] },
    { random: null, state: { t: -1 }, tables: [[]] },
    { random: null, state: null, tables: [[["a"]]] },
    { random: null, state: null, tables: [[[{ t: 0 }, 1]]] },
    { random: null, state: null, tables: [[[{ f: "nan" }, 1]]] },
    { random: null, state: null, tables: [[["a", null]]] },
    { random: null, state: { i: "9223372036854775808" }, tables: [] },
    { random: null, state: { f: "x" }, tables: [] },
    { random: null, state: { f: "" }, tables: [] },
    { random: null, state: { b: "!" }, tables: [] },
    { random: null, state: { b: "", i: "1" }, tables: [] },
    { random: null, state: 2 ** 60, tables: [] },
  ])("what nothing was ever kept as: %j", (kept) => {
    expect(keptProblem(kept)).toMatch(/^lua/);
  });
});

it("`state` exists before the program runs, as an empty table", () => {
  const guest = LuaGuest.boot(from.runtime, IDENTITY);
  expect(guest.keep()).toEqual({
    random: expect.stringMatching(/^[0-9a-f]{64}$/),
    state: { t: 0 },
    tables: [[]],
  });
  guest.close();
});
