/**
 * Somebody without this workspace: the packed tarballs install in an empty directory, the README's program runs there on a stack of its
 * own, and its types check under `strict`.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { apiReport, storedApiReport } from "../../deploy/api-report.ts";
import { pack } from "../../deploy/pack.ts";

const run = promisify(execFile);
/** Of a slow machine with a cold cache of npm, ms. */
const DEADLINE_MS = 180_000;
// npm, too, runs on the Node that the packages ask for: an older one leaves out the nats-server that comes with them.
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}` };
const TSC = createRequire(import.meta.url)
  .resolve("typescript/package.json")
  .replace("package.json", "bin/tsc");

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-empty-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** The README's program on a BioXen of its own, as the text beside it says. */
async function programOfReadme(): Promise<string> {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const shown = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const program = shown
    .replace('{ connect } from "@bioxen/client"', '{ startLocalStack } from "@bioxen/client/local"')
    .replace(/connect\(\{ servers: [^}]*\}\)/, `startLocalStack({ dataDir: "data", home: "home" })`);
  expect(program).toContain("await startLocalStack");
  return program;
}

/** What it printed; an error that tells what it printed. */
async function inEmpty(command: string, ...args: string[]): Promise<string> {
  const told = await run(command, args, { cwd: dir, env, timeout: DEADLINE_MS }).catch((thrown) => {
    throw new Error(`${command} ${args[0]}: ${thrown.stdout}${thrown.stderr}`, { cause: thrown });
  });
  return told.stdout;
}

it(
  "the packed library installs with npm, runs the README's program and has its types",
  async () => {
    const tarballs = pack(join(dir, "tarballs"));
    expect(apiReport(), "declarations changed: `node deploy/api-report.ts` shows how").toBe(
      storedApiReport(),
    );
    await writeFile(join(dir, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await inEmpty("npm", "install", "--no-audit", "--no-fund", "--prefer-offline", ...tarballs);
    await writeFile(join(dir, "program.ts"), await programOfReadme());

    const options = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext", "--types", "node"];
    await inEmpty(process.execPath, TSC, ...options, "program.ts");

    const lines = (await inEmpty(process.execPath, "program.ts")).trim().split("\n");
    expect(Number(lines[0])).toBeCloseTo(150.42, 1);
    expect(Number(lines[1])).toBeCloseTo(Math.LN2 / 150.42, 5);
    expect(lines.at(-1)).toMatch(/^\d+ bioxen\.vm\.destroyed\.v1$/);

    expect(await inEmpty(join("node_modules", ".bin", "bioxen"), "--version")).toMatch(/^\d+\.\d+\.\d+/);
  },
  DEADLINE_MS,
);
