/**
 * Compares the client and the fake with XAPI's own datamodel, so that they cannot share a mistake.
 */

import { FAKE_CODES, LIFECYCLE, ROLES, SCHEMA, SIGNATURES, weakestRole } from "@bioxen/fake-xapi";
import { describe, expect, it } from "vitest";
import { KNOWN_CODES } from "../src/xapi/errors.ts";
import { METHODS, type MethodName, roleFor } from "../src/xapi/methods.ts";
import { READ_FIELDS } from "../src/xapi/records.ts";
import { xapiReference } from "./reference.ts";

const reference = xapiReference();
const why = "XAPI's datamodel is not available: methods, types and error codes are not compared with it";
if (reference === undefined) console.warn(why);

it("the datamodel is available under CI", () => {
  if (process.env["CI"]) expect(reference, why).toBeDefined();
});

/** Signature of a method in the datamodel, as `(type, type?) -> type`; undefined for an unknown method. */
function declared(method: string): string | undefined {
  const [className = "", name = ""] = method.split(".");
  const message = reference?.classes.get(className)?.messages.find((one) => one.name === name);
  if (message === undefined) return undefined;
  const params = message.params.filter((param) => param.name !== "session_id");
  return `(${params.map(({ type, required }) => (required ? type : `${type}?`)).join(", ")}) -> ${message.result[0]}`;
}

/** The roles whose users may call a method, in ascending order. */
function declaredRoles(method: string): readonly string[] {
  const [className = "", name = ""] = method.split(".");
  const found = reference?.classes.get(className)?.messages.find((one) => one.name === name);
  return ROLES.filter((role) => found?.roles.includes(role));
}

const written = ({ params, result }: { readonly params: readonly string[]; readonly result: string }) =>
  `(${params.join(", ")}) -> ${result}`;

describe.skipIf(reference === undefined)("XAPI's datamodel", () => {
  it("has every method of the fake, with the same arity and types", () => {
    const own = Object.entries(SIGNATURES).map(([method, signature]) => [method, written(signature)]);
    expect(own.length).toBeGreaterThan(200);
    expect(own).toEqual(own.map(([method = ""]) => [method, declared(method)]));
  });

  it("has every method of the client, with the same types; optional parameters are all passed or all omitted", () => {
    for (const [method, { params, result }] of Object.entries(METHODS)) {
      const [given, all] = [written({ params, result }), declared(method)];
      const withoutOptional = all?.replaceAll(/,? ?[^,()]+\?/g, "");
      expect([all?.replaceAll("?", ""), withoutOptional], method).toContain(given);
    }
  });

  it("the fake implements every method that the client calls", () => {
    expect(Object.keys(METHODS).filter((method) => !(method in SIGNATURES))).toEqual([]);
  });

  it("has every field of the fake, and the fake has every field that the client reads", () => {
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

  it("gives every method of the fake to the same roles", () => {
    const methods = Object.keys(SIGNATURES);
    expect(methods.map((method) => [method, ROLES.slice(ROLES.indexOf(weakestRole(method)))])).toEqual(
      methods.map((method) => [method, declaredRoles(method)]),
    );
  });

  it("gives every method of the client to the same roles", () => {
    const methods = Object.keys(METHODS) as MethodName[];
    expect(methods.map((method) => [method, ROLES.slice(ROLES.indexOf(roleFor(method)))])).toEqual(
      methods.map((method) => [method, declaredRoles(method)]),
    );
  });

  it("lists every error code of the client and the fake", () => {
    const unknown = [...FAKE_CODES, ...KNOWN_CODES].filter((code) => reference?.codes.has(code) !== true);
    expect(unknown).toEqual([]);
  });

  it("has every operation of the fake's lifecycle table", () => {
    const own = reference?.classes.get("VM")?.messages.map(({ name }) => name) ?? [];
    const changing = /^(changing_|reverting$)/;
    expect(Object.keys(LIFECYCLE).filter((name) => !own.includes(name) && !changing.test(name))).toEqual([]);
  });
});
