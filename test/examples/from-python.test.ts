/**
 * The tables of docs/from-bioxen-python.md: no cell is empty, and every command and program in them runs, in order, on
 * one stack.
 */
import { readFile } from "node:fs/promises";
import {
  type Bioxen,
  connect,
  createBiologicalVm,
  createBioVm,
  supportedBiologicalTypes,
  supportedVmTypes,
} from "@bioxen/client";
import { ERRORS } from "@bioxen/contracts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PYTHON, requirePythonUnderCi, runPython } from "../../clients/python/test/python.ts";
import { bioxenHere, useStackOf } from "../e2e/in-process.ts";
import { World } from "../e2e/world.ts";

requirePythonUnderCi();

interface Row {
  readonly original: string;
  readonly today: string;
  readonly run: string;
  /** The Python column; the table of menus and commands has none. */
  readonly python: string | undefined;
}

const text = await readFile(new URL("../../docs/from-bioxen-python.md", import.meta.url), "utf8");

function rowsOf(section: string): Row[] {
  return section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter(([first]) => first !== "original" && !/^-+$/.test(first ?? ""))
    .map(([original = "", today = "", run = "", python]) => ({ original, today, run, python }));
}

/** The title of each section with the rows of its table, in order. */
const sections = text
  .split(/^## /m)
  .slice(1)
  .map((section) => [section.slice(0, section.indexOf("\n")), rowsOf(section)] as const);

/** The words of a command line, split as a shell would. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
}

/** Runs the Python column: a program must have a true value, or raise an error whose code its row announces. */
const CELLS = `
import json, sys
import bioxen

given = json.loads(sys.argv[1])
failures = []
with bioxen.connect() as bx:
    names = {"bioxen": bioxen, "bx": bx, "vm": bx.vm(given["vm"])}
    for row in given["cells"]:
        code = row["code"]
        try:
            if ";" in code:
                exec(code, names)
            elif not eval(code, names):
                failures.append(f"{code} has no value")
        except bioxen.BioXenError as error:
            if error.code not in row["codes"]:
                failures.append(f"{code} raised {error}")
print(json.dumps({"ran": len(given["cells"]), "failures": failures}))
`;

let attempts = 0;
let world: World;
let bioxen: Bioxen;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:2,yeast:1", timeScale: 10 });
  useStackOf(world);
  bioxen = await connect({ servers: world.url });
});
afterAll(async () => {
  await bioxen.close();
  await world.close();
});

/** Runs a command; it must succeed, or fail with an error code that its row names. */
async function runCommand(command: string, row: Row): Promise<void> {
  const { code, stdout, stderr } = await bioxenHere(wordsOf(command).slice(1));
  const asAnnounced = code === 1 && codesOf(row).some((name) => stderr.includes(name));
  expect(code === 0 || asAnnounced, `${command} ended with ${code}: ${stdout}${stderr}`).toBe(true);
}

/** The codes of errors that a row announces. */
const codesOf = ({ today }: Row) => Object.keys(ERRORS).filter((name) => today.includes(`\`${name}\``));

async function runProgram(source: string): Promise<void> {
  const names = [
    "bioxen",
    "vm",
    "createBioVm",
    "createBiologicalVm",
    "supportedBiologicalTypes",
    "supportedVmTypes",
  ];
  const body = source.includes(";") ? source : `return ${source}`;
  const program = new Function(...names, `return (async () => { ${body} })()`);
  const factories = [createBioVm, createBiologicalVm, supportedBiologicalTypes, supportedVmTypes];
  const result: unknown = await program(bioxen, bioxen.vm("cell-1"), ...factories);
  if (!source.includes(";")) expect(result, source).toBeTruthy();
}

describe("the guide for users of the Python library", () => {
  it("has more than 80 rows and no empty cell", () => {
    const rows = sections.flatMap(([, some]) => some);
    expect(rows.length).toBeGreaterThan(80);
    for (const { original, today, run, python } of rows) {
      expect(original && today && run, `${original} | ${today} | ${run}`).toBeTruthy();
      expect(run, original).toMatch(/^`[^`]+`$|^not there: \S/);
      if (python !== undefined) expect(python, original).toMatch(/^`[^`]+`$|^—$/);
    }
  });

  it.each(sections)("every command and program of this section runs: %s", async (_title, rows) => {
    for (const row of rows) {
      const code = /^`([^`]+)`$/.exec(row.run)?.[1];
      if (code === undefined) continue;
      if (code.startsWith("bioxen ")) await runCommand(code, row);
      else await runProgram(code);
    }
  });

  it.skipIf(PYTHON === undefined)("every program in Python runs", async () => {
    attempts += 1;
    // The ids differ from those of an earlier attempt, whose VMs are still there.
    const prefix = `py${attempts}-`;
    const cells = sections.flatMap(([, rows]) =>
      rows.flatMap((row) => {
        const code = /^`([^`]+)`$/.exec(row.python ?? "")?.[1];
        return code === undefined ? [] : [{ code: code.replaceAll("py-", prefix), codes: codesOf(row) }];
      }),
    );
    const input = JSON.stringify({ vm: `${prefix}1`, cells });
    const { code, stdout, stderr } = await runPython(["-c", CELLS, input], {
      BIOXEN_NATS_URL: world.url,
      BIOXEN_HOME: world.home,
    });
    expect(code, stderr).toBe(0);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({ ran: cells.length, failures: [] });
    expect(cells.length).toBeGreaterThan(60);
  });
});
