import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Functions whose last bit ECMAScript leaves to the implementation: with them a cell would differ between machines. */
const INEXACT =
  /Math\.(a?(cos|sin|tan)h?|atan2|cbrt|exp|expm1|f16round|hypot|log|log10|log1p|log2|pow|random)\b|[\w)\]] \*\* [\w(]/;
/** Clocks: a cell has only simulated time. */
const CLOCK = /\b(Date|performance|process|setTimeout)\b/;

const sources = readdirSync(import.meta.dirname).filter(
  (name) => name.endsWith(".ts") && !name.endsWith(".test.ts") && !name.endsWith("testing.ts"),
);

test.each(sources)("%s computes with exact operations only and reads no clock", (name) => {
  const code = readFileSync(`${import.meta.dirname}/${name}`, "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\/\/.*$/gm, "");
  expect(code).not.toMatch(INEXACT);
  expect(code).not.toMatch(CLOCK);
});

test("the guard sees what it is to see", () => {
  expect(sources).toContain("rosenbrock.ts");
  for (const code of ["Math.pow(a, 4)", "x ** 4", "f(x) ** (1 / 3)", "Math.cbrt(x)", "Math.exp(1)"]) {
    expect(code).toMatch(INEXACT);
  }
  expect("Math.sqrt(x) + Math.max(a, b) * Math.LN2").not.toMatch(INEXACT);
});
