import { expect, it } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

it("sorts fields at every depth, keeps the order of lists, and writes numbers as ECMAScript does", () => {
  const value = { b: [{ z: 1, a: null }, "ü\n"], a: 1e21, B: -0.5, "": true };
  expect(canonicalJson(value)).toBe('{"":true,"B":-0.5,"a":1e+21,"b":[{"a":null,"z":1},"ü\\n"]}');
  expect(canonicalJson({ a: 1, b: 2 })).toBe(canonicalJson({ b: 2, a: 1 }));
  expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
});
