/**
 * The tests that are written in Python, and the tables of the Python client against those of the contracts.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BIOXEN_VERSION, DEFAULT_EXEC_TIMEOUT_MS, ENDPOINTS, ERROR_CODES } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { CLIENT, PYTHON, requirePythonUnderCi, runPython } from "./python.ts";

requirePythonUnderCi();

/** Codes that the contract announces for coming releases; the Python client has their classes already. */
const ANNOUNCED = [
  "FORBIDDEN",
  "EXPERIMENT_NOT_FOUND",
  "MODEL_NOT_FOUND",
  "COURSE_NOT_FOUND",
] as readonly string[];

async function evaluated(expression: string): Promise<unknown> {
  const { stdout, stderr } = await runPython(["-c", `import bioxen, json; print(json.dumps(${expression}))`]);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe.skipIf(PYTHON === undefined)("the Python client", () => {
  it("passes its tests in Python", async () => {
    const { code, stderr } = await runPython(["-m", "unittest", "discover", "-s", "test"]);
    expect(code, stderr).toBe(0);
    expect(Number(/^Ran (\d+) tests/m.exec(stderr)?.[1])).toBeGreaterThan(50);
  });

  it("has one exception class for each error code, with the name of the code", async () => {
    const classes = (await evaluated(
      "{code: cls.__name__ for code, cls in bioxen.ERROR_CLASSES.items()}",
    )) as Record<string, string>;
    const named = (code: string) =>
      code
        .toLowerCase()
        .split("_")
        .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
        .join("");
    const codes = [...new Set([...ERROR_CODES, ...ANNOUNCED])].sort();
    expect(Object.keys(classes).sort()).toEqual(codes);
    for (const code of codes) expect(classes[code], code).toBe(named(code));
  });

  it("follows the cursors of the same listings as the TypeScript client", async () => {
    const queries = Object.values(ENDPOINTS).filter(
      (endpoint) =>
        endpoint.subject.startsWith("bioxen.qry.") && "pages" in endpoint && endpoint.pages !== undefined,
    );
    const pages = Object.fromEntries(
      queries.map((endpoint) => [endpoint.subject, "pages" in endpoint ? endpoint.pages : undefined]),
    );
    expect(await evaluated("bioxen.PAGES")).toEqual(pages);
  });

  it("has the version of the release, and the same default time limit of a program", async () => {
    expect(await evaluated("[bioxen.__version__, bioxen.DEFAULT_EXEC_TIMEOUT_MS]")).toEqual([
      BIOXEN_VERSION,
      DEFAULT_EXEC_TIMEOUT_MS,
    ]);
    expect(await readFile(join(CLIENT, "pyproject.toml"), "utf8")).toContain(`version = "${BIOXEN_VERSION}"`);
  });

  it("imports nothing but the standard library", async () => {
    const program = `
import ast, json, pathlib, sys
tree = ast.parse(pathlib.Path("bioxen.py").read_text("utf-8"), feature_version=(3, 8))
names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
print(json.dumps(sorted(name for name in names if name.split(".")[0] not in sys.stdlib_module_names)))`;
    const { stdout, stderr } = await runPython(["-c", program]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual([]);
  });

  it("documents every public class, method and function", async () => {
    const program = `
import ast, json, pathlib
kinds = (ast.ClassDef, ast.FunctionDef)
def bare(body, inside=""):
    for node in body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                yield inside + node.name
            if isinstance(node, ast.ClassDef):
                yield from bare(node.body, node.name + ".")
print(json.dumps(list(bare(ast.parse(pathlib.Path("bioxen.py").read_text("utf-8")).body))))`;
    const { stdout, stderr } = await runPython(["-c", program]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual([]);
  });
});
