/**
 * What the documents show runs as it stands, page by page and in order, on one stack. `README.md` and `docs/resources.md` have tests of
 * their own; see blocks.ts.
 */

import { stripTypeScriptTypes } from "node:module";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../e2e/world.ts";
import { type Block, blocksOf, documents, wordsOf } from "./blocks.ts";

/** Of a page, on a machine that is busy with other tests, ms. */
const LIMIT_MS = 120_000;
/** What programs of the documents may import. */
const MODULES: Readonly<Record<string, () => Promise<object>>> = {
  "@bioxen/cell-models": () => import("@bioxen/cell-models"),
  "@bioxen/client": () => import("@bioxen/client"),
  "@bioxen/client/local": () => import("@bioxen/client/local"),
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
});
afterAll(() => world.close());

async function runCommands({ text }: Block): Promise<void> {
  for (const line of text.trim().split("\n")) {
    const [command, ...args] = wordsOf(line);
    expect(command, line).toBe("bioxen");
    // A guest that is just being replaced, after a restore for instance, answers UNAVAILABLE: try again.
    const { code, stdout, stderr } = await eventually(line, async () => {
      const result = await world.bioxen(...args);
      return result.code === 1 && result.stderr.startsWith("UNAVAILABLE") ? undefined : result;
    });
    expect(code, `${line}: ${stdout}${stderr}`).toBe(0);
  }
}

/** What it printed, a line for each call of `console.log`. */
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
    if (module === undefined) throw new Error(`a document imports ${name}`);
    return module();
  };
  const run = new Function("load", "console", `return (async () => {${body}\n})()`);
  await run(load, { log: (...values: unknown[]) => printed.push(values.map(String).join(" ")) });
  return printed;
}

describe("the boxes of", () => {
  it.each(pages)(
    "%s",
    async (_file, blocks) => {
      for (const block of blocks) {
        if (block.language === "sh") await runCommands(block);
        else await runProgram(block);
      }
    },
    LIMIT_MS,
  );
});
