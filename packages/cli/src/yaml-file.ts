/**
 * Files in YAML 1.2, which includes JSON, and the lines of their problems.
 */
import type { Problem } from "@bioxen/contracts";
import { type Document, isMap, isNode, LineCounter, type Node, parseDocument } from "yaml";

/** Maximum size of a file, characters: about 800 for each VM of the largest fleet. */
const MAX_FILE_CHARACTERS = 8_388_608;

export interface FileProblem extends Problem {
  /** Line in the file, from 1; null when the problem has no position. */
  readonly line: number | null;
}

export type ParsedFile =
  | {
      readonly ok: true;
      readonly content: unknown;
      /** Returns the problem with its line. */
      readonly located: (problem: Problem) => FileProblem;
    }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

/** Parses the text of a file into plain values. `kind` is the plural of what a file describes, such as `fleets`. */
export function parseFile(text: string, kind: string): ParsedFile {
  if (text.length > MAX_FILE_CHARACTERS) {
    const message = `has ${text.length} characters, the limit is ${MAX_FILE_CHARACTERS}: split it into several ${kind}`;
    return { ok: false, problems: [{ path: "", message, line: null }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      path: "",
      message: (error.message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, ""),
      line: error.linePos?.[0].line ?? null,
    }));
    return { ok: false, problems };
  }
  const located = (problem: Problem) => ({ ...problem, line: lineOf(document, lines, problem.path) });
  return { ok: true, content: contentOf(document), located };
}

/**
 * Returns the content of the document as plain values; undefined when the document exceeds the alias limit of the
 * `yaml` library. The limit is needed because a few lines of nested aliases can expand to gigabytes.
 */
function contentOf(document: Document): unknown {
  try {
    return document.toJS() as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Returns the line of the node at `path`, or of the nearest existing ancestor when that node is absent. Returns null
 * when the file has neither the node nor an ancestor.
 */
function lineOf(document: Document, lines: LineCounter, path: string): number | null {
  const found = nodeAt(document.contents, path.split("."));
  return found?.range ? lines.linePos(found.range[0]).line : null;
}

/**
 * Returns the node at `path` below `at`, or the nearest existing ancestor of it without `at` itself. A name in the file
 * may contain dots, so the longest name that exists is taken.
 */
function nodeAt(at: unknown, path: readonly string[]): Node | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const name = path.slice(0, length).join(".");
    const inner = childOf(at, name);
    if (inner !== undefined) return nodeAt(inner, path.slice(length)) ?? inner;
  }
  return undefined;
}

function childOf(at: unknown, name: string): Node | undefined {
  if (typeof at !== "object" || at === null || !("get" in at) || typeof at.get !== "function")
    return undefined;
  const inner: unknown = at.get(isMap(at) ? name : /^\d+$/.test(name) ? Number(name) : name, true);
  return isNode(inner) ? inner : undefined;
}

/** Returns the problems of a file as text. `what` names what the file is not, such as `a valid fleet file`. */
export function fileProblemWords(path: string, what: string, problems: readonly FileProblem[]): string {
  const lines = problems.map(({ line, path: where, message }) => {
    const at = line === null ? path : `${path}:${line}`;
    return `  ${at}: ${where === "" ? "" : `${where}: `}${message}`;
  });
  return [`${path} is not ${what}:`, ...lines].join("\n");
}
