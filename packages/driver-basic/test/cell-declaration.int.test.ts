import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { declarationOf } from "@bioxen/cell-models";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cellModel } from "../../../examples/chemostat/src/index.js";
import { cellModelDeclaration } from "../src/index.ts";

const CHEMOSTAT = import.meta.resolve("../../../examples/chemostat/src/index.js");

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-models-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function moduleOf(name: string, text: string): Promise<string> {
  const path = join(dir, `${name}.mjs`);
  await writeFile(path, text);
  return pathToFileURL(path).href;
}

it("reads what the model of a module declares", async () => {
  expect(await cellModelDeclaration(CHEMOSTAT)).toEqual(declarationOf(cellModel));
});

it.each([
  ["throws", "throw new Error('no licence');", /the import failed: no licence/],
  ["does not parse", "export const cellModel = ;", /the import failed: /],
  ["throws later", "setTimeout(() => { throw new Error('late'); });\nawait new Promise(() => {});", /late/],
  ["ends its process", "process.exit(0);", /the import ended its thread/],
  ["exports something else", "export const model = {};", /it exports no cellModel/],
  ["declares nothing", "export const cellModel = {};", /its export cellModel: name: is not of a-z/],
  [
    "sends messages",
    "import { parentPort } from 'node:worker_threads'; parentPort.postMessage(1); await 0;",
    /a message of its own/,
  ],
  ["fills the memory", "const all = []; for (;;) all.push(new Array(1e6).fill(1));", /memory/],
])("names the problem of a module that %s", async (name, text, problem) => {
  const url = await moduleOf(name, text);
  await expect(cellModelDeclaration(url)).rejects.toThrow(problem);
});

it("ends the import of a module that never ends, while this thread goes on", async () => {
  const url = await moduleOf("loops", "for (;;);");
  let turns = 0;
  const turning = setInterval(() => {
    turns += 1;
  }, 10);
  await expect(cellModelDeclaration(url, { withinMs: 500 })).rejects.toThrow(
    "the import did not end within 0.5 s",
  );
  clearInterval(turning);
  expect(turns).toBeGreaterThan(5);
});

it("leaves the globals of this thread as they are", async () => {
  const url = await moduleOf(
    "patches",
    `Math.sqrt = () => 0; Array.prototype.map = () => []; globalThis.patched = true;
     process.env.BIOXEN_PATCHED = "1";
     export { cellModel } from ${JSON.stringify(CHEMOSTAT)};`,
  );
  const read = await cellModelDeclaration(url).catch((thrown: unknown) => thrown);
  expect(read).toBeDefined();
  expect(Math.sqrt(4)).toBe(2);
  expect([1].map((n) => n + 1)).toEqual([2]);
  expect(globalThis).not.toHaveProperty("patched");
  expect(process.env).not.toHaveProperty("BIOXEN_PATCHED");
});
