/**
 * The sandbox's own library functions, compared with Lua's on random arguments.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plainSearch } from "../src/lua-scan.ts";
import { type Bench, luaBench, plainLua } from "./run-lua.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await luaBench();
});
afterAll(() => bench.close());

/** Returns a Lua literal for arbitrary bytes. */
function literal(text: string): string {
  return `"${Array.from(Buffer.from(text, "latin1"), (byte) => `\\${String(byte).padStart(3, "0")}`).join("")}"`;
}

/** Runs one call per line and returns each result or error as text, without the source position of errors. */
function script(calls: readonly string[]): string {
  return `
    local out = {}
    local function text(v) return type(v) == "table" and "table" or tostring(v) end
    local function show(ok, ...)
      local t = {}
      for i = 1, select("#", ...) do
        local v = (select(i, ...))
        t[i] = type(v) == "number" and string.format("%.14g", v) or text(v)
      end
      local line = tostring(ok) .. " " .. table.concat(t, "|")
      if not ok then line = string.match(line, "^false [%w/]+:%d+: (.*)$") or string.sub(line, 7) end
      out[#out + 1] = line
    end
    local function shown(t)
      local copy = {}
      for i = 1, #t do copy[i] = text(t[i]) end
      return table.concat(copy, ",")
    end
    ${calls.map((call) => `show(pcall(function() ${call} end))`).join("\n")}
    return table.concat(out, "\\n")`;
}

function expectSame(calls: readonly string[]): void {
  const source = script(calls);
  // The sandbox does not distinguish nil from a missing argument.
  const alike = (text: unknown): string => String(text).replaceAll("got nil", "got no value");
  expect(alike(bench.value(source))).toBe(alike(plainLua(bench.runtime, source)));
}

const subject = fc.string({ unit: fc.constantFrom("a", "b", "1", " ", "(", ")", "%", "."), maxLength: 10 });
const item = fc.constantFrom(
  ..."ab1.%()[]^$*+-? ",
  ...["%a", "%d", "%s", "%w", "%A", "%%", "%(", "%1", "%2", "[ab]", "[^a]", "[a-b]", "[%d%s]", "[]]", "[^]]"],
  ...["(a)", "()", "(.-)", "(.*)", "%b()", "%f[%w]", "%f", "%b", ".-", ".*", "a+", "b?", "[", "[%", "[a-"],
);
const pattern = fc.array(item, { maxLength: 5 }).map((items) => items.join(""));
const init = fc.constantFrom("", ", 1", ", 0", ", 2", ", -2", ", 11", ", 12", ", -20");

describe("patterns", () => {
  it("find, match, gmatch and gsub equal the library", () => {
    fc.assert(
      fc.property(subject, pattern, init, (s, p, from) => {
        const args = `${literal(s)}, ${literal(p)}`;
        expectSame([
          `return string.find(${args}${from})`,
          `return string.find(${args}${from === "" ? ", 1" : from}, true)`,
          `return string.match(${args}${from})`,
          `local t = {} for a, b in string.gmatch(${args}${from}) do t[#t + 1] = tostring(a) .. "/" .. tostring(b) end return shown(t)`,
        ]);
        // The library reports an unclosed capture only when it is used, the sandbox at once.
        if (bench.value(script([`return string.match(${args})`])) === "unfinished capture") return;
        expectSame([
          `return string.gsub(${args}, "<%0%1>")`,
          `return string.gsub(${args}, "<%1%%%2>", 2)`,
          `return string.gsub(${args}, function(...) return select("#", ...) > 1 and "(" .. tostring((select(2, ...))) .. ")" end)`,
          `return string.gsub(${args}, {a = "A", b = false, ["1"] = 11, [" "] = {}})`,
        ]);
      }),
      { numRuns: 1_500 },
    );
  });

  it("character classes equal the library for every byte", () => {
    const every = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
    expectSame(
      [..."acdglpsuwxACDGLPSUWXzb"].map(
        (letter) => `return string.gsub(${literal(every)}, "[%${letter}]", "")`,
      ),
    );
  });

  it("a plain search equals a naive search", () => {
    const few = fc.array(fc.constantFrom(97, 98), { maxLength: 700 });
    fc.assert(
      fc.property(few, few, fc.nat(20), (a, b, start) => {
        const text = new Uint8Array([...a, ...a, ...a]);
        const wanted = new Uint8Array(b.slice(0, 1 + (b.length % 200)));
        const from = Math.min(start, text.length);
        expect(plainSearch(text, wanted, from)).toBe(Buffer.from(text).indexOf(wanted, from));
      }),
      { numRuns: 200 },
    );
  });
});

describe("tables", () => {
  const list = fc
    .array(fc.integer({ min: -9, max: 9 }), { maxLength: 8 })
    .map((items) => `{${items.join(",")}}`);
  const at = fc.constantFrom("-1", "0", "1", "2", "3", "8", "9", "10", "1.5", "'2'", "'x'", "nil", "{}");

  it("insert, remove, concat, unpack, move and sort equal the library", () => {
    fc.assert(
      fc.property(list, at, at, at, (t, i, j, k) => {
        expectSame([
          `local t = ${t} table.insert(t, ${i}, 7) return shown(t)`,
          `local t = ${t} table.insert(t, ${i}) return shown(t)`,
          `local t = ${t} local v = table.remove(t, ${i}) return v, shown(t)`,
          `local t = ${t} local v = table.remove(t) return v, shown(t)`,
          `return table.concat(${t}, "-", ${i}, ${j})`,
          `return table.concat(${t}, ${i})`,
          `return table.unpack(${t}, ${i}, ${j})`,
          `local t = ${t} return shown(table.move(t, ${i}, ${j}, ${k}))`,
          `return shown(table.move(${t}, ${i}, ${j}, ${k}, {5, 5}))`,
          `local t = ${t} table.sort(t) return shown(t)`,
          `local t = ${t} table.sort(t, function(a, b) return a > b end) return shown(t)`,
        ]);
      }),
      { numRuns: 400 },
    );
  });

  it("wrong arguments give the error messages of the library", () => {
    expectSame([
      "table.insert(nil, 1)",
      "table.insert({}, 1, 2, 3)",
      "table.insert({})",
      "table.remove(5)",
      "table.concat({{}})",
      "table.concat({1, nil, 3}, ',', 1, 3)",
      "table.sort({1, 'x'})",
      "table.sort({}, 5)",
      "table.move({}, 1, 2)",
      "table.move({}, 0, 9223372036854775807, 1)",
      "return string.rep('ab', 3, '-'), string.rep('ab', 0), string.rep('', 5, 'x'), string.rep(12, 2), string.rep('x', -1)",
      "string.rep('x')",
      "string.rep('x', 'y')",
      "string.rep({}, 1)",
      "string.rep('x', 1.5)",
      "return string.byte('abc'), string.byte('abc', -1), string.byte('abc', 2, 9), string.byte('', 1)",
      "string.find()",
      "string.find('x')",
      "string.find('x', 'x', {})",
      "string.gsub('x', 'x')",
      "string.gsub('x', 'x', '%')",
      "string.gsub('x', 'x', '%a')",
      "string.gsub('x', 'x', '%2')",
      "string.gsub('x', 'x', function() return {} end)",
      "string.gmatch('x')",
      "return ('x'):rep(3), ('abc'):find('c'), ('a1'):gsub('%d', '%0%0')",
    ]);
  });

  it("sort is stable, and ends with any comparison function", () => {
    const sorted = bench.value(`
      local t = {}
      for i = 1, 1000 do t[i] = {key = i * 7919 % 10, place = i} end
      table.sort(t, function(a, b) return a.key < b.key end)
      for i = 2, 1000 do
        local a, b = t[i - 1], t[i]
        if a.key > b.key or (a.key == b.key and a.place > b.place) then return i end
      end
      table.sort(t, function() return true end)
      table.sort(t, function() return math.random() < 0.5 end)
      return #t`);
    expect(sorted).toBe(1000);
  });
});
