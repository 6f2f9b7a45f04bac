/**
 * The code blocks of the documents, and the test that runs each block.
 *
 * The mark after the language of a `sh` block names its test: `run` (documents.test.ts), `tour` (readme.test.ts),
 * `resources` (resources.test.ts), `by <test file>`, or `not run: <reason>`. A `ts` block runs without a mark. Blocks
 * in other languages, or without a language, never run.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export type Runner =
  | { readonly kind: "run" }
  | { readonly kind: "by"; readonly test: string }
  | { readonly kind: "not"; readonly reason: string };

export interface Block {
  readonly file: string;
  /** The line number of the first line inside the block. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** The test that runs the block; undefined for a block that is not executable. */
  readonly runner: Runner | undefined;
}

/** The paths of all Markdown files that Git tracks or would add, relative to the root, sorted. */
export function documents(): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"];
  const listed = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).split("\n");
  return listed.filter((path) => path !== "" && existsSync(join(ROOT, path))).sort();
}

/** The fenced code blocks of a Markdown file, in order. */
export function blocksOf(file: string): Block[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [language = "", ...words] = (match[1] ?? "").trim().split(" ");
    const line = text.slice(0, match.index).split("\n").length + 1;
    return { file, line, language, text: match[2] ?? "", runner: runnerOf(file, language, words.join(" ")) };
  });
}

function runnerOf(file: string, language: string, mark: string): Runner | undefined {
  if (language === "ts") {
    return file === "README.md"
      ? { kind: "by", test: "test/examples/readme.test.ts" }
      : marked(mark || "run");
  }
  return language === "sh" ? marked(mark) : undefined;
}

function marked(mark: string): Runner {
  const [first, ...rest] = mark.split(" ");
  if (first === "run") return { kind: "run" };
  if (first === "tour") return { kind: "by", test: "test/examples/readme.test.ts" };
  if (first === "resources") return { kind: "by", test: "test/examples/resources.test.ts" };
  if (first === "by") return { kind: "by", test: rest.join(" ") };
  const reason = /^not run: (.{10,})$/.exec(mark)?.[1];
  return { kind: "not", reason: reason ?? "" };
}

/** The words of a command line, split as a shell would; a trailing comment is left out. */
export function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|(#\s.*)|(\S+)/g)].filter((match) => match[2] === undefined);
  return words.map((match) => match[1] ?? match[3] ?? "");
}
