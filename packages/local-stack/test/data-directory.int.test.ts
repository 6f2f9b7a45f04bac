/**
 * A data directory belongs to one stack, by a lock that ends with the process, and its leftovers are found by their
 * command lines.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { isAlive, startOf } from "@bioxen/nats";
import { eventually } from "@bioxen/testkit/eventually";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DataDirectory, inUse } from "../src/data-directory.ts";
import { startLocalStack, stopLocalStack } from "../src/index.ts";
import { serverArguments, serviceMark } from "../src/leftovers.ts";

const TAKER = fileURLToPath(new URL("./take-directory.testing.ts", import.meta.url));
/** A program that runs until it is killed, whatever its arguments are. */
const IDLE = "setInterval(() => undefined, 1000); console.log('up');";
/** The same, deaf to SIGTERM. */
const DEAF = `process.on("SIGTERM", () => undefined); ${IDLE}`;

let dir: string;
let children: ChildProcess[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-dir-"));
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcess;
  /** Returns the next line that the process prints. */
  readonly nextLine: () => Promise<string>;
}

/** Starts a Node process, and waits for its first line. */
async function run(...args: string[]): Promise<Running> {
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => String((await lines.next()).value);
  await nextLine();
  return { child, nextLine };
}

/** Starts a process that takes the data directory, and returns it with its answer. */
async function take(
  path: string,
  { child, nextLine }: Running,
): Promise<{ child: ChildProcess; line: string }> {
  child.stdin?.write(`${path}\n`);
  return { child, line: await nextLine() };
}

const taker = async (path: string) => take(path, await run(TAKER, path));
const idle = (code: string, ...args: string[]) => run("-e", code, "--", ...args);

async function taken(path = dir): Promise<DataDirectory> {
  const directory = await DataDirectory.take(path);
  if (directory instanceof DataDirectory) return directory;
  throw inUse(path, directory.heldBy);
}

describe("a data directory", () => {
  it("is taken by exactly one of several processes that begin together", async () => {
    const ready = await Promise.all([1, 2, 3, 4].map(() => run(TAKER, dir)));
    const lines = await Promise.all(ready.map((one) => take(dir, one)));
    const [winner, ...others] = lines.filter(({ line }) => line === "taken");
    expect(others).toEqual([]);
    const losers = lines.filter((one) => one !== winner);
    expect(losers.map(({ line }) => line)).toEqual(losers.map(() => `held by ${winner?.child.pid}`));
  });

  it("is free at once after its process was killed, and is found by a symbolic link too", async () => {
    const { child, line } = await taker(dir);
    expect(line).toBe("taken");
    await symlink(dir, `${dir}-link`);
    try {
      await expect(taken(`${dir}-link`)).rejects.toMatchObject({ code: "CONFLICT" });
    } finally {
      await rm(`${dir}-link`);
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    const directory = await taken();
    // One process cannot have it twice either.
    expect(await DataDirectory.take(dir)).toMatchObject({ heldBy: { pid: process.pid } });
    await directory.release();
    await (await taken()).release();
  });

  it("is free when another program has the recorded process id, whichever version wrote the record", async () => {
    const lockFile = join(dir, "stack.lock");
    for (const record of [
      { pid: process.ppid, serverPid: process.ppid },
      { pid: process.ppid, serverPid: null, start: "another boot 1" },
      { pid: process.ppid, serverPid: null, start: await startOf(process.ppid) },
      "not JSON {",
    ]) {
      await writeFile(lockFile, typeof record === "string" ? record : JSON.stringify(record));
      const directory = await taken();
      expect(JSON.parse(await readFile(lockFile, "utf8"))).toMatchObject({
        pid: process.pid,
        serverPid: null,
      });
      await directory.release();
    }
  });

  it("names the holder and `bioxen down` in its refusal", async () => {
    const { child } = await taker(dir);
    const start = startLocalStack({ dataDir: dir, home: dir });
    await expect(start).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(start).rejects.toThrow(`with pid ${child.pid}: stop it with bioxen down --data ${dir}`);
  });

  it("is held by a running stack of an earlier version, which has no lock of the operating system", async () => {
    // The stack of the earlier version is a process whose child is the server of this directory.
    const parent = `
      require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(IDLE)}, "--", ...process.argv.slice(1)], { stdio: "inherit" });
      ${IDLE.replace("console.log('up');", "")}`;
    const { child } = await idle(parent, ...serverArguments(dir));
    await writeFile(join(dir, "stack.lock"), JSON.stringify({ pid: child.pid, serverPid: 1 }));
    await expect(taken()).rejects.toThrow(`with pid ${child.pid}`);
    child.kill("SIGKILL");
    await once(child, "exit");
    const directory = await taken();
    expect(await directory.leftovers.end()).toBe(1);
    await directory.release();
  });
});

describe("what a killed stack left", () => {
  it("is ended, services and server, and nothing of another data directory is", async () => {
    const service = await idle(IDLE, ...serviceMark(dir));
    const server = await idle(IDLE, ...serverArguments(dir));
    const others = [
      await idle(IDLE, ...serviceMark(`${dir}2`)),
      await idle(IDLE, ...serverArguments(`${dir}2`)),
      await idle(IDLE, join(dir, "nats-server.conf")),
    ];
    await writeFile(join(dir, "stack.lock"), JSON.stringify({ pid: 2 ** 22 + 1, serverPid: null }));
    expect(await stopLocalStack({ dataDir: dir, home: dir })).toEqual({ stack: false, leftovers: 2 });
    for (const { child } of [service, server]) {
      await eventually(`${child.pid} has ended`, async () => (isAlive(child.pid ?? 0) ? undefined : true));
    }
    for (const { child } of others) expect(child.exitCode ?? child.signalCode).toBeNull();
    expect(await stopLocalStack({ dataDir: dir, home: dir })).toEqual({ stack: false, leftovers: 0 });
  });

  it("is killed when it does not end by itself", async () => {
    const { child } = await idle(DEAF, ...serviceMark(dir));
    const ended = once(child, "exit");
    const directory = await taken();
    expect(await directory.leftovers.end(200)).toBe(1);
    expect(await ended).toEqual([null, "SIGKILL"]);
    await directory.release();
  });

  it("is nothing for a folder that is no data directory, and such a folder stays as it is", async () => {
    await writeFile(join(dir, "notes.txt"), "mine");
    expect(await stopLocalStack({ dataDir: dir, home: dir })).toEqual({ stack: false, leftovers: 0 });
    expect(await stopLocalStack({ dataDir: join(dir, "absent"), home: dir })).toEqual({
      stack: false,
      leftovers: 0,
    });
    await expect(readFile(join(dir, "stack.lock.db"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("includes a stack that is running: it is asked to end, and killed when it does not", async () => {
    const { child } = await taker(dir);
    const ended = once(child, "exit");
    expect(await stopLocalStack({ dataDir: dir, home: dir })).toEqual({ stack: true, leftovers: 0 });
    expect(await ended).toEqual([null, "SIGTERM"]);
  });
});
