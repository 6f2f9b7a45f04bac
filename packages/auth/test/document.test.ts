import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { permissionsDocument } from "../src/document.ts";

it("docs/permissions.md is what the catalogue says: run `pnpm run docs`", () => {
  const path = new URL("../../../docs/permissions.md", import.meta.url);
  expect(readFileSync(path, "utf8")).toBe(permissionsDocument());
});
