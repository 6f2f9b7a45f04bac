/**
 * Client and fake were written by the same hand; what keeps both honest is XAPI's own datamodel.
 */

import { FAKE_CODES, LIFECYCLE, SCHEMA, SIGNATURES } from "@bioxen/fake-xapi";
import { describe, expect, it } from "vitest";
import { KNOWN_CODES } from "../src/xapi/errors.ts";
import { METHODS } from "../src/xapi/methods.ts";
import { READ_FIELDS } from "../src/xapi/records.ts";
import { xapiReference } from "./reference.ts";

const reference = xapiReference();
const why =
  "XAPI's datamodel is not beside this checkout: methods, types and error codes are not compared with it";
if (reference === undefined) console.warn(why);

it("under CI the datamodel is there", () => {
  if (process.env["CI"]) expect(reference, why).toBeDefined();
});

/** `name(type, type?) -> type` as the datamodel has it; undefined where it has no such method. */
function declared(method: string): string | undefined {
  const [className = "", name = ""] = method.split(".");
  const message = reference?.classes.get(className)?.messages.find((one) => one.name === name);
  if (message === undefined) return undefined;
  const params = message.params.filter((param) => param.name !== "session_id");
  return `(${params.map(({ type, required }) => (required ? type : `${type}?`)).join(", ")}) -> ${message.result[0]}`;
}

const written = ({ params, result }: { readonly params: readonly string[]; readonly result: string }) =>
  `(${params.join(", ")}) -> ${result}`;

describe.skipIf(reference === undefined)("held to XAPI's datamodel", () => {
  it("every method the fake answers has the arity and the types of the datamodel", () => {
    const own = Object.entries(SIGNATURES).map(([method, signature]) => [method, written(signature)]);
    expect(own.length).toBeGreaterThan(200);
    expect(own).toEqual(own.map(([method = ""]) => [method, declared(method)]));
  });

  it("every method the client may call has the types of the datamodel; what may be left out is given or left out", () => {
    for (const [method, { params, result }] of Object.entries(METHODS)) {
      const [given, all] = [written({ params, result }), declared(method)];
      const withoutOptional = all?.replaceAll(/,? ?[^,()]+\?/g, "");
      expect([all?.replaceAll("?", ""), withoutOptional], method).toContain(given);
    }
  });

  it("the client calls nothing the fake cannot answer", () => {
    expect(Object.keys(METHODS).filter((method) => !(method in SIGNATURES))).toEqual([]);
  });

  it("every field the fake has or the client reads is the datamodel's", () => {
    for (const [name, fields] of Object.entries(SCHEMA)) {
      const known = new Map(
        reference?.classes.get(name)?.fields.map(({ name: field, type }) => [field, type]),
      );
      for (const [field, type] of Object.entries(fields))
        expect(known.get(field), `${name}.${field}`).toBe(type);
    }
    for (const [name, fields] of Object.entries(READ_FIELDS)) {
      const own = Object.keys(SCHEMA[name] ?? {});
      expect(
        fields.filter((field) => !own.includes(field)),
        name,
      ).toEqual([]);
    }
  });

  it("every error code is one of XAPI's", () => {
    const unknown = [...FAKE_CODES, ...KNOWN_CODES].filter((code) => reference?.codes.has(code) !== true);
    expect(unknown).toEqual([]);
  });

  it("every operation of the lifecycle table is one of XAPI's", () => {
    const own = reference?.classes.get("VM")?.messages.map(({ name }) => name) ?? [];
    const changing = /^changing_/;
    expect(Object.keys(LIFECYCLE).filter((name) => !own.includes(name) && !changing.test(name))).toEqual([]);
  });
});
