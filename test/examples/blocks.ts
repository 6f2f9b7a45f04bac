/**
 * The boxes of the documents, and who runs each.
 *
 * A box says it behind its language: `sh run` (here), `sh tour` and `sh resources` (tests of their own), `sh by <test file>`, or
 * `sh not run: <reason>`. A `ts` box is run. Boxes without a language, and other languages, are not meant to be run.
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
  /** Of its first line. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** undefined: nobody is meant to run it. */
  readonly runner: Runner | undefined;
}

/** Documents for people: every one that is tracked or about to be. */
export function documents(): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"];
  const listed = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).split("\n");
  return listed.filter((path) => path !== "" && existsSync(join(ROOT, path))).sort();
}

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

/** The words of a command line, as a shell would split it; a comment behind it is left out. */
export function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|(#\s.*)|(\S+)/g)].filter((match) => match[2] === undefined);
  return words.map((match) => match[1] ?? match[3] ?? "");
}
