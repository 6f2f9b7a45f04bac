/**
 * Keeps the documents correct: every link has a target, every page is in an index, and every code block is run by a
 * test or gives the reason why not.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { type Block, blocksOf, documents, ROOT, wordsOf } from "./examples/blocks.ts";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** The anchors of a page, derived from its titles as GitHub does. */
function anchorsOf(path: string): Set<string> {
  const titles = [...read(path).matchAll(/^#{1,6} (.+)$/gm)].map((match) => match[1] ?? "");
  return new Set(
    titles.map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** The problem of a link, or undefined if its target exists or is outside the repository. */
function broken(from: string, target: string): string | undefined {
  if (/^(?:https?|mailto):/.test(target)) return undefined;
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(ROOT, file))) return `${from}: ${target}: file does not exist`;
  if (anchor === undefined || !file.endsWith(".md") || anchorsOf(file).has(anchor)) return undefined;
  return `${from}: ${target}: page has no such title`;
}

describe("the documents", () => {
  it("link only to existing files and titles", () => {
    const links = documents().flatMap((file) => {
      const text = read(file).replaceAll(/^```[\s\S]*?^```$/gm, "");
      return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => [file, match[1] ?? ""] as const);
    });
    expect(links.length).toBeGreaterThan(60);
    expect(links.flatMap(([file, target]) => broken(file, target) ?? [])).toEqual([]);
  });

  it("are all listed in an index", () => {
    const index = read("docs/README.md") + read("docs/adr/README.md");
    const named = new Set([...index.matchAll(/\]\(([^)#\s]+)/g)].map((match) => match[1]?.split("/").at(-1)));
    const pages = ["docs", "docs/how-to", "docs/adr"].flatMap((folder) => readdirSync(join(ROOT, folder)));
    expect(pages.filter((page) => page.endsWith(".md") && page !== "README.md" && !named.has(page))).toEqual(
      [],
    );
  });
});

describe("the code blocks of the documents", () => {
  const checked = documents()
    .flatMap(blocksOf)
    .filter((block) => block.runner !== undefined);
  const where = ({ file, line }: Block) => `${file}:${line}`;
  const sizeOf = ({ text }: Block) => text.split("\n").filter((line) => line.trim() !== "").length;

  it("name an existing test that runs them, or the reason why none does", () => {
    const unclear = checked.filter(
      ({ runner }) =>
        (runner?.kind === "not" && runner.reason === "") ||
        (runner?.kind === "by" && !existsSync(join(ROOT, runner.test))),
    );
    expect(unclear.map(where)).toEqual([]);
  });

  it("that name a test file have their command in that file", () => {
    const absent = checked.flatMap((block) => {
      const { runner } = block;
      if (
        runner?.kind !== "by" ||
        !block.text.startsWith("bioxen ") ||
        // These read the commands from the documents.
        /readme|resources|figures/.test(runner.test)
      ) {
        return [];
      }
      const [, command] = wordsOf(block.text.split("\n")[0] ?? "");
      return read(runner.test).includes(`"${command}"`) ? [] : [`${where(block)}: ${command}`];
    });
    expect(absent).toEqual([]);
  });

  it("are run for at least 95 % of their lines; the log lists the others", () => {
    const left = checked.filter(({ runner }) => runner?.kind === "not");
    for (const block of left) {
      if (block.runner?.kind === "not") console.log(`${where(block)} is not run: ${block.runner.reason}`);
    }
    const [all, out] = [checked, left].map((some) => some.reduce((sum, block) => sum + sizeOf(block), 0));
    console.log(`${checked.length} code blocks with ${all} lines, of which ${out} are not run`);
    expect(((all ?? 0) - (out ?? 0)) / (all ?? 1)).toBeGreaterThanOrEqual(0.95);
  });

  it("without a language contain no command, except in generated pages", () => {
    const generated = ["docs/cli.md", "docs/PROTOCOL.md"];
    const bare = documents()
      .filter((file) => !generated.includes(file))
      .flatMap(blocksOf)
      .filter((block) => block.language === "" && /^(?:bioxen|pnpm|npx|docker) /m.test(block.text));
    expect(bare.map(where)).toEqual([]);
  });
});
