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
import { bioxenHere, useStackOf } from "../e2e/in-process.ts";
import { World } from "../e2e/world.ts";

interface Row {
  readonly original: string;
  readonly today: string;
  readonly run: string;
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
    .map(([original = "", today = "", run = ""]) => ({ original, today, run }));
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
async function runCommand(command: string, { today }: Row): Promise<void> {
  const { code, stdout, stderr } = await bioxenHere(wordsOf(command).slice(1));
  const announced = Object.keys(ERRORS).filter((name) => today.includes(`\`${name}\``));
  const asAnnounced = code === 1 && announced.some((name) => stderr.includes(name));
  expect(code === 0 || asAnnounced, `${command} ended with ${code}: ${stdout}${stderr}`).toBe(true);
}

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
    for (const { original, today, run } of rows) {
      expect(original && today && run, `${original} | ${today} | ${run}`).toBeTruthy();
      expect(run, original).toMatch(/^`[^`]+`$|^not there: \S/);
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
});
