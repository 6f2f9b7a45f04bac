import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";

/** JSON text with these values closes an object. */
const CLOSED = '"additionalProperties": false';

function published(name: string): { readonly text: string; readonly schema: Record<string, unknown> } {
  const text = readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), "utf8");
  return { text, schema: JSON.parse(text) };
}

describe.each(["cli.schema.json", "experiment.schema.json", "fleet.schema.json"])("docs/%s", (name) => {
  it("has an id and a title, and compiles in ajv's strict mode", () => {
    const { schema } = published(name);
    expect(schema["$id"]).toMatch(/^urn:bioxen:/);
    expect(schema["title"]).toBeTypeOf("string");
    const ajv = new Ajv2020({ strict: true, allErrors: true, validateFormats: false });
    expect(() => ajv.compile(schema)).not.toThrow();
  });
});

describe("the published schemas of the command line", () => {
  it("are open for output, which is read, and closed for files, which are written", () => {
    expect(published("cli.schema.json").text).not.toContain(CLOSED);
    for (const name of ["experiment.schema.json", "fleet.schema.json"]) {
      expect(published(name).schema).toMatchObject({ additionalProperties: false });
    }
  });
});
