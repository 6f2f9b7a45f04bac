/**
 * The code blocks of the documents run unchanged, page by page and in order, on one stack. `README.md` and
 * `docs/resources.md` have their own tests; see blocks.ts.
 */

import { stripTypeScriptTypes } from "node:module";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { eventually, World } from "../e2e/world.ts";
import { type Block, blocksOf, documents, wordsOf } from "./blocks.ts";

/** Time limit for one page, on a machine that is busy with other tests, ms. */
const LIMIT_MS = 120_000;
/** The modules that programs in the documents may import. */
const MODULES: Readonly<Record<string, () => Promise<object>>> = {
  "@bioxen/cell-models": () => import("@bioxen/cell-models"),
  "@bioxen/client": () => import("@bioxen/client"),
  "@bioxen/client/local": () => import("@bioxen/client/local"),
  "@bioxen/plot": () => import("@bioxen/plot"),
  "@nats-io/transport-node": () => import("@nats-io/transport-node"),
  "node:assert/strict": async () => ({ default: (await import("node:assert/strict")).default }),
  "node:fs/promises": () => import("node:fs/promises"),
  "node:os": () => import("node:os"),
  "node:path": () => import("node:path"),
};

const pages = documents()
  .map((file) => [file, blocksOf(file).filter(({ runner }) => runner?.kind === "run")] as const)
  .filter(([, blocks]) => blocks.length > 0);

let world: World;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:2,yeast:1", timeScale: 10 });
  // As `eval "$(bioxen env)"` does in a shell.
  const { variables } = await world.bioxenJson("env");
  vi.stubEnv("BIOXEN_NATS_LOGIN", variables.BIOXEN_NATS_LOGIN);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await world.close();
});

async function runCommands({ text }: Block): Promise<void> {
  for (const line of text.trim().split("\n")) {
    const [command, ...args] = wordsOf(line);
    expect(command, line).toBe("bioxen");
    // A guest that is being replaced, for example after a restore, answers UNAVAILABLE: the command is tried again.
    const { code, stdout, stderr } = await eventually(line, async () => {
      const result = await world.bioxen(...args);
      return result.code === 1 && result.stderr.startsWith("UNAVAILABLE") ? undefined : result;
    });
    expect(code, `${line}: ${stdout}${stderr}`).toBe(0);
  }
}

/** Runs the program and returns its output: one string per call of `console.log`. */
async function runProgram({ text }: Block): Promise<string[]> {
  const printed: string[] = [];
  const source = text.replace("nats://127.0.0.1:4222", world.url);
  const body = stripTypeScriptTypes(source).replaceAll(
    /^import (?:(\w+)|\{([^}]*)\}) from "([^"]+)";$/gm,
    (_all, whole: string | undefined, names: string | undefined, module: string) =>
      `const ${whole === undefined ? `{${names}}` : `{ default: ${whole} }`} = await load("${module}");`,
  );
  const load = (name: string) => {
    const module = MODULES[name];
    if (module === undefined) throw new Error(`a document imports ${name}: add it to MODULES`);
    return module();
  };
  const run = new Function("load", "console", `return (async () => {${body}\n})()`);
  await run(load, { log: (...values: unknown[]) => printed.push(values.map(String).join(" ")) });
  return printed;
}

describe("the code blocks of the documents", () => {
  it.each(pages)(
    "%s runs block by block without an error",
    async (_file, blocks) => {
      for (const block of blocks) {
        if (block.language === "sh") await runCommands(block);
        else await runProgram(block);
      }
    },
    LIMIT_MS,
  );
});
