import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { asyncApi, asyncApiDocument } from "./asyncapi.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";

const document: Readonly<Record<string, unknown>> & {
  readonly channels: Readonly<Record<string, { readonly address: string | null }>>;
} = JSON.parse(asyncApiDocument());
const schema = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0.json");

/** All values of `$ref` inside `value`. */
function references(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" ? [String(inner)] : references(inner),
  );
}

function at(reference: string): unknown {
  const keys = reference.slice(2).split("/");
  return keys.reduce<unknown>(
    (value, key) => (value as Record<string, unknown> | undefined)?.[key],
    document,
  );
}

describe("the AsyncAPI document", () => {
  it("is up to date with the code; `pnpm run docs` writes it", () => {
    const stored = readFileSync(new URL("../../../docs/asyncapi.json", import.meta.url), "utf8");
    expect(stored).toBe(asyncApiDocument());
  });

  it("is valid by the schema of AsyncAPI 3, which rejects an invalid document", () => {
    // The AsyncAPI schema contains the meta schema of draft 7.
    const ajv = new Ajv({ strict: false, meta: false, validateSchema: false, validateFormats: false });
    const validate = ajv.compile(schema);
    validate(document);
    expect(validate.errors ?? []).toEqual([]);
    expect(validate({ ...document, operations: { vmCreate: { action: "swallow" } } })).toBe(false);
  });

  it("has no dangling reference", () => {
    const all = references(asyncApi());
    expect(all.length).toBeGreaterThan(200);
    expect(all.filter((reference) => at(reference) === undefined)).toEqual([]);
  });

  it("has every public subject, and payload schemas that accept and reject as the code does", () => {
    const open = Object.entries(ENDPOINTS).filter(([, endpoint]) => !endpoint.internal);
    for (const [name, { subject }] of open) expect(document.channels[name]?.address).toBe(subject);
    const ajv = new Ajv({ strict: false, validateFormats: false });
    ajv.addSchema(document, "bioxen");
    const isValid = ajv.compile({ $ref: "bioxen#/components/messages/vmCreateRequest/payload" });
    expect(isValid({ vmId: "c1", biologicalType: "syn3a", resources: { ribosomes: "50%" } })).toBe(true);
    expect(isValid({ vmId: "C 1", biologicalType: "syn3a" })).toBe(false);
    expect(isValid({ biologicalType: "yeti" })).toBe(false);
  });
});
