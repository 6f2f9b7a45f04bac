import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { commandPaths } from "../program.ts";
import { CLI_DOCUMENTS } from "./documents.ts";
import { OUTPUTS } from "./schemas.ts";

describe("generated documents of the command line", () => {
  it.each(Object.keys(CLI_DOCUMENTS))("docs/%s matches the code; `pnpm run docs` rewrites it", (name) => {
    const path = new URL(`../../../../docs/${name}`, import.meta.url);
    expect(readFileSync(path, "utf8")).toBe(CLI_DOCUMENTS[name]?.());
  });
});

describe("the output schemas", () => {
  it("cover exactly the existing commands", () => {
    expect(Object.keys(OUTPUTS).sort()).toEqual(commandPaths().sort());
  });
});
