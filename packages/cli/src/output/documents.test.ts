import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { commandPaths } from "../program.ts";
import { CLI_DOCUMENTS } from "./documents.ts";
import { OUTPUTS } from "./schemas.ts";

describe("the documents of the command", () => {
  it.each(Object.keys(CLI_DOCUMENTS))("docs/%s is what the code says; `pnpm run docs` writes it", (name) => {
    const path = new URL(`../../../../docs/${name}`, import.meta.url);
    expect(readFileSync(path, "utf8")).toBe(CLI_DOCUMENTS[name]?.());
  });
});

describe("what commands print with --json", () => {
  it("has a schema for every command, and none for a command that is not there", () => {
    expect(Object.keys(OUTPUTS).sort()).toEqual(commandPaths().sort());
  });
});
