import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { commandPaths } from "../program.ts";
import { CLI_DOCUMENTS } from "./documents.ts";
import { OUTPUTS } from "./schemas.ts";

describe("generated documents of the command line", () => {
  it.each(Object.keys(CLI_DOCUMENTS))(
    "docs/%s matches the code; `pnpm run docs` rewrites it",
    async (name) => {
      const path = new URL(`../../../../docs/${name}`, import.meta.url);
      expect(readFileSync(path, "utf8")).toBe(await CLI_DOCUMENTS[name]?.());
    },
  );
});

describe("the output schemas", () => {
  it("cover exactly the existing commands", async () => {
    expect(Object.keys(OUTPUTS).sort()).toEqual((await commandPaths()).sort());
  });
});
