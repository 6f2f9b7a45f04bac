/**
 * The commands of the pages about figures, as they stand there, make the figures of these pages, byte for byte.
 */
import { copyFile, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { blocksOf, wordsOf } from "../examples/blocks.ts";
import { World } from "./world.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const OWN = "test/e2e/figures.test.ts";
const RESULTS = ["results", "dose", "laws", "control"];

let world: World;
beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:1,yeast:1" });
});
afterAll(() => world.close());

/** The words of the command, with its files in the folder of the test. */
function placed(line: string): string[] {
  const [command, ...args] = wordsOf(line);
  expect(command, line).toBe("bioxen");
  const isFile = (word: string, before: string | undefined) =>
    /\.(yaml|svg)$/.test(word) || (before === "--out" && RESULTS.includes(word));
  return args.map((word, i) => (isFile(word, args[i - 1]) ? join(world.dir, word) : word));
}

it.each([
  ["docs/question-to-figure.md", ["ribosomes.svg"]],
  ["docs/how-to/figures.md", ["dose.svg", "laws.svg", "control.svg"]],
])("the commands of %s make its figures", async (page, figures) => {
  const blocks = blocksOf(page).filter(({ runner }) => runner?.kind === "by" && runner.test === OWN);
  const lines = blocks.flatMap(({ text }) => text.trim().split("\n"));
  expect(lines.length).toBeGreaterThan(3);
  for (const line of lines) {
    if (line.startsWith("cp ")) {
      const files = wordsOf(line).slice(1, -1);
      for (const file of files) await copyFile(join(ROOT, file), join(world.dir, basename(file)));
      continue;
    }
    const { code, stdout, stderr } = await world.bioxen(...placed(line));
    expect(code, `${line}: ${stdout}${stderr}`).toBe(0);
  }
  for (const figure of figures) {
    const made = await readFile(join(world.dir, figure), "utf8");
    expect(made, figure).toBe(await readFile(join(ROOT, page, "..", figure), "utf8"));
  }
});

it("the files on the pages are those of the examples", async () => {
  const tutorial = await readFile(join(ROOT, "docs/question-to-figure.md"), "utf8");
  const file = await readFile(join(ROOT, "examples/experiments/ribosomes.yaml"), "utf8");
  expect(tutorial).toContain(file.replace(/^#.*\n/, ""));
  const figures = await readFile(join(ROOT, "docs/how-to/figures.md"), "utf8");
  const control = await readFile(join(ROOT, "examples/experiments/control.yaml"), "utf8");
  const program = /program: \|\n((?: {4}.*\n)+)/.exec(control)?.[1]?.replaceAll(/^ {4}/gm, "");
  expect(program).toBeDefined();
  expect(figures).toContain(program);
});
