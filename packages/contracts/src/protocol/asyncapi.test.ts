import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { ENDPOINTS } from "../endpoints/catalogue.ts";
import { asyncApi, asyncApiDocument } from "./asyncapi.ts";
import { endpointSchemas } from "./endpoint-schemas.ts";
import { isNamedByGenerators, type Json, pascalCase } from "./json-schemas.ts";
import { type JsonSchema, partsOf } from "./publishing.ts";

type Schema = JsonSchema & { readonly title?: string };
interface Message {
  readonly name?: string;
  readonly title?: string;
  readonly summary?: string;
  readonly examples?: readonly { readonly headers?: unknown; readonly payload: unknown }[];
  readonly headers?: Schema;
  readonly payload: Schema;
}
const document: Json & {
  readonly channels: Readonly<Record<string, { readonly address: string | null }>>;
  readonly components: {
    readonly messages: Readonly<Record<string, Message>>;
    readonly schemas: Readonly<Record<string, Schema>>;
  };
} = JSON.parse(asyncApiDocument());
const { messages, schemas } = document.components;
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

/** The schema and all schemas inside it, with those that it refers to. */
function everyPartOf(one: Schema): Schema[] {
  return ([...partsOf(one)] as Schema[]).flatMap((part) =>
    part["$ref"] === undefined ? [part] : everyPartOf(at(String(part["$ref"])) as Schema),
  );
}

const isSent = (name: string) => /(?:Request|Job)$/.test(name);
const allParts = [
  ...Object.values(messages).map(({ payload }) => payload),
  ...Object.values(schemas),
].flatMap((one): Schema[] => [...partsOf(one)]);

/** A validator in ajv's strict mode, as consumers use it: the schemas need no leniency. */
function strictAjv(): Ajv {
  const ajv = new Ajv({ strict: true, allErrors: true, validateFormats: false, keywords: ["components"] });
  return ajv.addSchema({ $id: String(document["id"]), components: document.components });
}

describe("the AsyncAPI document", () => {
  it("is up to date with the code; `pnpm run docs` writes it", () => {
    const stored = readFileSync(new URL("../../../../docs/asyncapi.json", import.meta.url), "utf8");
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

  it("has every endpoint, internal ones as well", () => {
    for (const [name, { subject }] of Object.entries(ENDPOINTS)) {
      expect(document.channels[name]?.address).toBe(subject);
    }
  });

  it("has the name, title and summary of every message", () => {
    const incomplete = Object.entries(messages).filter(
      ([key, { name, title, summary }]) => name !== key || !title || !summary,
    );
    expect(incomplete.map(([key]) => key)).toEqual([]);
  });
});

describe("the schemas of the AsyncAPI document", () => {
  it("have a title wherever a code generator makes a type, so that no type is anonymous", () => {
    const untitled = allParts.filter((part) => isNamedByGenerators(part) && part.title === undefined);
    expect(untitled).toEqual([]);
    for (const { payload } of Object.values(messages)) expect(payload.title ?? payload["$ref"]).toBeDefined();
  });

  it("have different titles when they differ, because one type would overwrite the other", () => {
    const texts = new Map<string, Set<string>>();
    for (const part of allParts) {
      if (part.title === undefined) continue;
      const known = texts.get(part.title) ?? new Set();
      texts.set(part.title, known.add(JSON.stringify(part)));
    }
    expect([...texts].filter(([, different]) => different.size > 1).map(([title]) => title)).toEqual([]);
  });

  it("accept the example of each message, and every message has one", () => {
    const ajv = strictAjv();
    const wrong = Object.entries(messages).flatMap(([name, { examples, headers }]) => {
      const example = examples?.[0];
      if (example === undefined) return [`${name} has no example: see test/e2e/protocol-examples.ts`];
      const reference = (part: string) => ({
        $ref: `${document["id"]}#/components/messages/${name}/${part}`,
      });
      const isValid =
        ajv.validate(reference("payload"), example.payload) &&
        (headers === undefined || ajv.validate(reference("headers"), example.headers ?? {}));
      return isValid ? [] : [`${name}: ${ajv.errorsText()}`];
    });
    expect(wrong).toEqual([]);
  });

  it("compile in ajv's strict mode", () => {
    const ajv = strictAjv();
    for (const name of Object.keys(messages)) {
      ajv.compile({ $ref: `${document["id"]}#/components/messages/${name}/payload` });
    }
  });

  it("are closed for what is sent, and open for what is read", () => {
    for (const [name, { payload }] of Object.entries(messages)) {
      if (isBetweenServices(name)) continue;
      const objects = everyPartOf(payload).filter((part) => part["properties"] !== undefined);
      // An environment can have the fields of another model, which are numbers.
      const isClosed = ({ additionalProperties: more }: Schema) =>
        more === false || JSON.stringify(more) === '{"type":"number"}';
      const wrong = objects.filter((part) => isClosed(part) !== isSent(name));
      expect(wrong.map(({ title }) => `${name}: ${title}`)).toEqual([]);
    }
  });

  it("are those of the metadata of the endpoints, which refer to the document for views", () => {
    const ajv = strictAjv();
    for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
      const { request, result } = endpointSchemas(endpoint);
      const published = (kind: string) => withoutTitles(messages[pascalCase(name) + kind]?.payload);
      expect(JSON.parse(request), `${name}: request`).toEqual(published("Request"));
      const { ok: _, ...properties } = published("Result").properties;
      const shown = JSON.parse(result.replaceAll(`${document["id"]}#`, "#"));
      expect(shown.properties, `${name}: result`).toEqual(properties);
      expect(() => ajv.compile(JSON.parse(result)), `${name}: result`).not.toThrow();
    }
  });

  it("accept and reject as the code does", () => {
    const ajv = strictAjv();
    const accepts = (name: string, value: unknown) =>
      ajv.validate({ $ref: `${document["id"]}#/components/messages/${name}/payload` }, value);
    const request = { vmId: "c1", biologicalType: "syn3a", resources: { ribosomes: "50%" } };
    expect(accepts("VmCreateRequest", request)).toBe(true);
    expect(accepts("VmCreateRequest", { ...request, vmId: "C 1" })).toBe(false);
    expect(accepts("VmCreateRequest", { ...request, biologicalType: "yeti" })).toBe(false);
    expect(accepts("VmCreateRequest", { ...request, surprise: true })).toBe(false);
    const result = { ok: true, changed: true, seq: 1 };
    expect(accepts("LogUnskipResult", result)).toBe(true);
    expect(accepts("LogUnskipResult", { ...result, ofALaterRelease: true })).toBe(true);
    expect(accepts("LogUnskipResult", { ...result, ok: false })).toBe(false);
    expect(accepts("LogUnskipResult", { changed: true, seq: 1 })).toBe(false);
    const error = { code: "CONFLICT", message: "m", retryable: false };
    expect(accepts("ErrorReply", { ok: false, error })).toBe(true);
    expect(accepts("ErrorReply", { ok: true, error })).toBe(false);
    expect(accepts("ErrorReply", { ok: false, error: { code: "CONFLICT" } })).toBe(false);
  });
});

/** The schema without the titles of it and of its parts. */
function withoutTitles(one: Schema | undefined): { properties: Record<string, unknown> } {
  const copy = structuredClone(one ?? {});
  for (const part of partsOf(copy)) if (typeof part["title"] === "string") delete part["title"];
  return copy as never;
}

/** True for the request of an internal endpoint, whose nested objects may be open. */
function isBetweenServices(name: string): boolean {
  const key = name.slice(0, 1).toLowerCase() + name.slice(1).replace(/(?:Request|Job)$/, "");
  return isSent(name) && (ENDPOINTS[key as keyof typeof ENDPOINTS]?.internal ?? true);
}
