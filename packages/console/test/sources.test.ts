/**
 * The rules for the sources of the application.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const APP = fileURLToPath(new URL("../app", import.meta.url));
const files = globSync("**/*.{ts,tsx}", { cwd: APP }).map((path) => ({
  path,
  code: readFileSync(join(APP, path), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, ""),
}));

it("imports types of the contracts only, so that no schema is loaded by a browser, and knows no service", () => {
  expect(files.length).toBeGreaterThan(20);
  const allowed =
    /^\.|\.css$|^(?:preact|preact\/hooks|@preact\/signals|uplot|@bioxen\/plot|@bioxen\/cell-models|@bioxen\/placement)$/;
  const loaded = /^\s*(?:import|export)\b(?!\s+type\b)[^;]*?from\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  const foreign = files.flatMap(({ path, code }) =>
    [...code.matchAll(loaded)]
      .map((match) => match[1] ?? match[2] ?? "")
      .filter((module) => !allowed.test(module))
      .map((module) => `${path}: ${module}`),
  );
  expect(foreign).toEqual([]);
});

it("makes no HTML of a text: ids, labels, reasons and output of guests are shown as text", () => {
  const makesHtml = /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write/;
  expect(files.filter(({ code }) => makesHtml.test(code)).map(({ path }) => path)).toEqual([]);
});
