import { expect, it } from "vitest";
import { rowsOf } from "./asking.ts";

it("a text fills as many rows as the terminal wraps it into", () => {
  expect(rowsOf("one\ntwo", 80)).toBe(2);
  expect(rowsOf("", 80)).toBe(1);
  expect(rowsOf("x".repeat(80), 80)).toBe(1);
  expect(rowsOf(`${"x".repeat(81)}\n`, 80)).toBe(3);
  expect(rowsOf(`\u001b[32m${"é".repeat(80)}\u001b[0m`, 80), "colour codes have no width").toBe(1);
});
