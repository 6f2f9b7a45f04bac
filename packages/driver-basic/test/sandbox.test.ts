/**
 * The environment of a guest in its sandbox, its results, and the effects of a failure. The tests run in this thread, without the worker.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GUEST_MEMORY_BYTES } from "../src/limits.ts";
import { type Bench, luaBench } from "./run-lua.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await luaBench();
});
afterAll(() => bench.close());

describe("the available functions", () => {
  it("no function reaches outside the state", () => {
    const gone = "os io require load debug package dofile loadfile loadstring collectgarbage coroutine warn";
    for (const name of [...gone.split(" "), "string.dump", "math.xyz"]) {
      expect(bench.value(`return ${name}`), name).toBeNull();
    }
  });

  it("the libraries for programs are available", () => {
    expect(
      bench.value("local t = {} for k in pairs(_G) do t[#t + 1] = k end table.sort(t) return t"),
    ).toEqual([
      ..."_G _VERSION assert cell error getmetatable ipairs math next pairs pcall print rawequal rawget".split(
        " ",
      ),
      ..."rawlen rawset select setmetatable state string table tonumber tostring type utf8 xpcall".split(" "),
    ]);
    expect(
      bench.value("return _VERSION, math.floor(2.5), ('x'):upper(), utf8.char(233), #utf8.charpattern > 0"),
    ).toEqual(["Lua 5.4", 2, "X", "é", true]);
  });

  it("globals persist, `print` output is collected, arithmetic is that of Lua", () => {
    bench.run("counter = (counter or 0) + 1");
    bench.run("counter = (counter or 0) + 1");
    const ran = bench.run("print('a', nil, 2.5) print() print(counter) return counter, 7 // 2, 2^10, 1 / 2");
    expect(ran.stdout).toEqual(["a\tnil\t2.5", "", "2"]);
    expect(ran.outcome).toMatchObject({ ok: true, result: [2, 3, 1024, 0.5] });
  });

  it("the guest cannot change the functions that the sandbox uses", async () => {
    const other = await luaBench();
    const source = `
      string.format, string.sub, table.concat, error, type, tostring = nil, nil, nil, nil, nil, nil
      setmetatable(_G, {__index = function() while true do end end})
      print("still")
      return ("a1b2"):gsub("%d", "<%0>")`;
    expect(other.run(source).outcome).toMatchObject({ ok: true, result: ["a<1>b<2>", 2] });
    expect(other.value("return getmetatable('')")).toBe(false);
    other.close();
  });

  it("random numbers depend only on the seed", async () => {
    const again = await luaBench();
    const numbers = "return math.random(1e6), math.random(), math.random(10)";
    expect(again.value(numbers)).toEqual((await luaBench()).value(numbers));
    expect(again.code("math.randomseed()")).toBe("GUEST_ERROR");
    expect(
      again.value(
        "math.randomseed(7) local a = math.random(1e9) math.randomseed(7) return a == math.random(1e9)",
      ),
    ).toBe(true);
    again.close();
  });

  it("instructions are counted exactly, and are equal for equal code", () => {
    const loop = (n: number): number => bench.run(`for i = 1, ${n} do end`).instructions;
    expect(loop(200_000) - loop(100_000)).toBe(100_000);
    expect(bench.run("return 1").instructions).toBe(2);
    const sort = "local t = {} for i = 1, 3000 do t[i] = i * 7919 % 3001 end table.sort(t)";
    expect(bench.run(sort).instructions).toBe(bench.run(sort).instructions);
  });
});

describe("results", () => {
  it("values are converted to JSON as documented", () => {
    const values: readonly (readonly [string, unknown])[] = [
      ["", null],
      ["return nil", null],
      ["return nil, 1", [null, 1]],
      ["return true, 'x', 1.5, 3", [true, "x", 1.5, 3]],
      ["return 1/0, -1/0, 0/0", ["inf", "-inf", "nan"]],
      ["return math.maxinteger, 2^53, 9007199254740991", ["9223372036854775807", 2 ** 53, 2 ** 53 - 1]],
      ["return {}", []],
      ["return {1, {2}, 'x'}", [1, [2], "x"]],
      ["return {b = 1, a = {c = 2}}", { a: { c: 2 }, b: 1 }],
      ["return {1, nil, 3}", { "1": 1, "3": 3 }],
      ["return {[1.5] = 1, [-1] = 2}", { "-1": 2, "1.5": 1 }],
      ["return 'Grüße \\xff'", "Grüße �"],
      [
        "return setmetatable({1}, {__index = function() error('no') end, __len = function() return 9 end})",
        [1],
      ],
      ["local t = {} return {t, t}", [[], []]],
    ];
    for (const [source, result] of values) expect(bench.value(source), source).toEqual(result);
  });

  it("non-data values and too large results are rejected", () => {
    const refused: readonly (readonly [string, string])[] = [
      ["return print", "GUEST_ERROR"],
      ["return {f = function() end}", "GUEST_ERROR"],
      ["return {[{}] = 1}", "GUEST_ERROR"],
      ["return {[true] = 1}", "GUEST_ERROR"],
      ["return {[1] = 1, ['1'] = 2}", "GUEST_ERROR"],
      ["local t = {} t.t = {t} return t", "GUEST_ERROR"],
      ["local t = {} for i = 1, 100 do t = {t} end return t", "TOO_LARGE"],
      ["return ('x'):rep(300000)", "TOO_LARGE"],
      ["local t = {} for i = 1, 30000 do t[i] = i end return t", "TOO_LARGE"],
    ];
    for (const [source, code] of refused) expect(bench.code(source), source).toBe(code);
  });

  it("errors include message, position and traceback", () => {
    const ran = bench.run(
      "local function f() local x = nil; return x.y end\nlocal function g() f() end\ng()",
    );
    expect(ran.outcome).toMatchObject({
      code: "GUEST_ERROR",
      message: "exec:1: attempt to index a nil value (local 'x')",
      traceback: expect.stringContaining("in upvalue 'f'\n\texec:2: in local 'g'\n\texec:3: in main chunk"),
    });
    expect(bench.run("return return").outcome).toMatchObject({
      code: "GUEST_ERROR",
      message: "exec:1: unexpected symbol near 'return'",
    });
    expect(bench.run("\x1bLua").outcome).toMatchObject({
      message: "attempt to load a binary chunk (mode is 't')",
    });
  });

  it("non-text errors are converted by the guest, within limits", () => {
    const message = (source: string): unknown => (bench.run(source).outcome as { message?: string }).message;
    expect(message("error(setmetatable({}, {__tostring = function() return 'mine' end}))")).toBe("mine");
    expect(message("error({})")).toMatch(/^table: 0x/);
    expect(message("error(nil)")).toBe("nil");
    expect(message("error(12)")).toBe("12");
    for (const body of ["while true do end", "error({})", "return {}", "return ('x'):rep(1e9)"]) {
      const source = `error(setmetatable({}, {__tostring = function() ${body} end}))`;
      expect(message(source), body).toBe("the error value cannot be converted to text");
      expect(bench.value("return 1")).toBe(1);
    }
    expect((message("error(('x'):rep(1e6))") as string).length).toBeLessThanOrEqual(8 * 1024);
  });
});

describe("the cell table", () => {
  it("shows the measurements", () => {
    expect(
      bench.value(`return {
        cell.id, cell.type, cell.growth_rate(), cell.doubling_time() == nil, cell.sim_minutes(), cell.ribosomes(),
        cell.atp(), cell.rna_polymerases(), cell.divisions(), cell.health(), cell.protein_amino_acids(),
        cell.outputs(),
        cell.environment() }`),
    ).toEqual([
      "cell-1",
      "syn3a",
      0.0066,
      true,
      12,
      { total: 500, engaged: 400, cap: 503 },
      { molecules: 70_000, per_second: 13_000, cap_per_second: 13_247 },
      { cap: 187 },
      2,
      100,
      3e7,
      { "lacI.protein": 40.5 },
      { nutrient_quality: 0.2, substrate: 1e4, chloramphenicol_um: 0 },
    ]);
  });

  it("accepts environment changes, and shows them at once", () => {
    const ran = bench.run(`
      cell.set_environment{substrate = 5}
      cell.set_environment{chloramphenicol_um = 4, substrate = 6}
      return cell.environment()`);
    expect(ran.outcome).toEqual({
      ok: true,
      result: { nutrient_quality: 0.2, substrate: 6, chloramphenicol_um: 4 },
      environment: { substrate: 6, chloramphenicol_um: 4 },
    });
    expect(bench.run("return 1").outcome).toMatchObject({ environment: undefined });
  });

  it("rejects invalid environments completely", () => {
    const bad = [
      "{sugar = 1}",
      "{substrate = -1}",
      "{substrate = 0/0}",
      "{substrate = '1'}",
      "{nutrient_quality = 11}",
    ];
    for (const changes of [...bad, "{substrate = 1/0}", "{1}", "nil", "5", "{substrate = 3, sugar = 1}"]) {
      const ran = bench.run(`return pcall(cell.set_environment, ${changes})`);
      expect(ran.outcome, changes).toMatchObject({ ok: true, result: [false, expect.any(String)] });
      expect(ran.outcome, changes).toMatchObject({ environment: undefined });
    }
  });
});

describe("the effects of a failure", () => {
  it("a timeout keeps the globals; a guest with full memory loses them", () => {
    bench.run("kept = 'yes'");
    expect(
      bench.run("while true do pcall(function() while true do end end) end", { timeoutMs: 20 }).stateLost,
    ).toBe(false);
    expect(bench.value("return kept")).toBe("yes");
    expect(bench.run("local t = {} while true do t[#t + 1] = {} end").stateLost).toBe(false);
    expect(bench.value("return kept")).toBe("yes");
    expect(bench.run("while true do kept = {kept} end").stateLost).toBe(true);
    expect(bench.value("return kept")).toBeNull();
  });

  it("instructions are limited", () => {
    const ran = bench.run("while true do end", { instructions: 50_000, timeoutMs: 60_000 });
    expect(ran.outcome).toMatchObject({ code: "GUEST_TIMEOUT", message: "over 50000 instructions" });
    expect(ran.instructions).toBe(50_001);
  });

  it("a guest's memory is freed after any end", () => {
    for (let i = 0; i < 4; i += 1) {
      bench.run(`local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(${i} + 10) .. i end`);
    }
    expect(bench.guest().account.used).toBeLessThan(GUEST_MEMORY_BYTES / 8);
  });

  it("a thousand exceptions through Lua do not leak stack space", () => {
    // The C stack has 1 MiB; each exception that is not caught above a frame would leak some hundred bytes of it.
    const abi = bench.runtime.abi as unknown as { ccall: (...args: unknown[]) => unknown };
    const L = bench.guest().L;
    const stackAddress = (): unknown => {
      abi.ccall("lua_pushlightuserdata", null, ["number", "string"], [L, "x"]);
      const address = (abi as unknown as { _lua_touserdata(L: number, i: number): number })._lua_touserdata(
        L,
        -1,
      );
      bench.runtime.abi._lua_settop(L, -2);
      return address;
    };
    const before = stackAddress();
    for (let i = 0; i < 1_000; i += 1) {
      expect(() =>
        bench.runtime.protect(L, () => {
          throw new Error("through");
        }),
      ).toThrow("through");
    }
    expect(stackAddress()).toBe(before);
  });
});
