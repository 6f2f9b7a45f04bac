/**
 * What the documents show runs as it stands, page by page and in order, on one stack. `README.md` and `docs/resources.md` have tests of
 * their own; see blocks.ts.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { World } from "../e2e/world.ts";
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
let bioxen: ChildProcess;
beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:2,yeast:1", timeScale: 10 });
  const file = join(world.dir, "config.yaml");
  const env = { ...process.env, BIOXEN_HOME: world.dir, BIOXEN_CONFIG: file, NO_COLOR: "1" };
  bioxen = fork(new URL("./lines.ts", import.meta.url), { env });
});
afterAll(async () => {
  bioxen.kill();
  await world.close();
});

async function runCommands({ text }: Block): Promise<void> {
  for (const line of text.trim().split("\n")) {
    const [command, ...args] = wordsOf(line);
    expect(command, line).toBe("bioxen");
    bioxen.send({ args });
    const [{ code, output }] = await once(bioxen, "message", { signal: AbortSignal.timeout(LIMIT_MS) });
    expect(code, `${line}: ${output}`).toBe(0);
  }
}

/** What it printed, a line for each call of `console.log`. */
async function runProgram({ text }: Block): Promise<string[]> {
  const printed: string[] = [];
  const source = text.replace("nats://127.0.0.1:4222", world.stack.url);
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
