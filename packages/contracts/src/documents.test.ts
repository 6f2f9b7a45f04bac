import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { callShapesJson } from "./call-shapes-json.ts";
import { protocolDocument } from "./documents.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import { ERROR_CODES } from "./errors.ts";
import { errorsDocument } from "./errors-document.ts";

const document = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");

describe("the documents", () => {
  it("are up to date with the code; `pnpm run docs` writes them", () => {
    expect(document("PROTOCOL.md")).toBe(protocolDocument());
    expect(document("errors.md")).toBe(errorsDocument());
    expect(readFileSync(new URL("./call-shapes.json", import.meta.url), "utf8")).toBe(callShapesJson());
  });

  it("contain every subject and every error code", () => {
    for (const { subject } of Object.values(ENDPOINTS))
      expect(document("PROTOCOL.md")).toContain(`\`${subject}\``);
    for (const code of ERROR_CODES) expect(document("errors.md")).toContain(`\`${code}\``);
  });
});
