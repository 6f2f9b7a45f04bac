import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CELL_API, luaCompletions, luaHelp } from "./lua-help.ts";

const CELL_SOURCE = new URL("../../driver-basic/src/sandbox/cell.lua", import.meta.url);
const LUA_PAGE = new URL("../../../docs/lua.md", import.meta.url);

/** Returns the names of the fields of `cell` that the source of the sandbox defines. */
function fieldsOfCell(): string[] {
  const source = readFileSync(CELL_SOURCE, "utf8");
  const functions = [...source.matchAll(/^function cell\.(\w+)/gm)].map(([, name]) => name);
  const lists = [...source.matchAll(/^for _, name in next, \{ (.+) \} do$/gm)].flatMap(([, list]) =>
    (list ?? "").split(", ").map((name) => name.replaceAll('"', "")),
  );
  const [, values] = /^cell = \{ (.+) \}$/m.exec(source) ?? [];
  return [...functions, ...lists, ...(values ?? "").split(", ").map((field) => field.split(" = ")[0])].map(
    String,
  );
}

describe("help of the Lua prompt", () => {
  it("has every field of the table cell, and no other", () => {
    const names = CELL_API.map(({ word }) => /^cell\.(\w+)/.exec(word)?.[1]);
    expect(names.sort()).toEqual(fieldsOfCell().sort());
    expect(names.length).toBeGreaterThan(10);
  });

  it("agrees with the page on the Lua API", () => {
    const page = readFileSync(LUA_PAGE, "utf8");
    for (const { word } of CELL_API) expect(page).toContain(`\`${word.replace(/\{$/, "{…}")}\``);
  });

  it.each([60, 80, 120])("fits %d columns", (columns) => {
    for (const line of luaHelp(columns).split("\n").slice(1))
      expect(line.length).toBeLessThanOrEqual(columns);
  });
});

describe("Tab in the Lua prompt", () => {
  it("completes the word at the end of the line", () => {
    expect(luaCompletions("return cell.gr")).toEqual([["cell.growth_rate()"], "cell.gr"]);
    expect(luaCompletions("cell.set_environment{nutrient_quality = 0.1} ce")[0]).toHaveLength(
      CELL_API.length,
    );
    expect(luaCompletions("he")).toEqual([["help"], "he"]);
  });

  it("offers nothing for an empty word or an unknown one", () => {
    expect(luaCompletions("")).toEqual([[], ""]);
    expect(luaCompletions("xyz")).toEqual([[], "xyz"]);
  });
});
