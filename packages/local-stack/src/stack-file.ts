/**
 * The two small files of a local stack: the pointer by which other commands find it, and the lock by which a data
 * directory belongs to one stack at a time.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Fault } from "@bioxen/kernel";

export interface StackRecord {
  readonly url: string;
  readonly pid: number;
  readonly serverPid: number | null;
  readonly serverVersion: string;
  readonly dataDir: string;
  readonly durability: "always" | "relaxed";
  readonly startedAtMs: number;
}

const POINTER = "stack.json";
const LOCK = "stack.lock";

/** `BIOXEN_HOME`, else the XDG data directory. */
export function bioxenHome(env: NodeJS.ProcessEnv = process.env): string {
  if (env["BIOXEN_HOME"]) return env["BIOXEN_HOME"];
  return join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "bioxen");
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The local stack that runs now; undefined when none does. */
export async function findLocalStack(home: string = bioxenHome()): Promise<StackRecord | undefined> {
  const record = await readRecord(join(home, POINTER));
  return record !== undefined && isAlive(record.pid) ? record : undefined;
}

async function readRecord(path: string): Promise<StackRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as StackRecord;
  } catch {
    return undefined;
  }
}

async function replaceFile(path: string, content: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, content);
  await rename(draft, path);
}

export async function writePointer(home: string, record: StackRecord): Promise<void> {
  await mkdir(home, { recursive: true });
  await replaceFile(join(home, POINTER), `${JSON.stringify(record, null, 2)}\n`);
}

/** Removes the pointer when it is this stack's. */
export async function removePointer(home: string): Promise<void> {
  const record = await readRecord(join(home, POINTER));
  if (record?.pid === process.pid) await rm(join(home, POINTER), { force: true });
}

/**
 * Takes the data directory. Throws `Fault` CONFLICT when a living stack has it; returns what a stack that was killed left
 * behind.
 */
export async function lockDataDir(dataDir: string): Promise<{ readonly leftServerPid: number | null }> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, LOCK);
  const own = JSON.stringify({ pid: process.pid, serverPid: null });
  const isFree = await writeFile(path, own, { flag: "wx" }).then(
    () => true,
    () => false,
  );
  if (isFree) return { leftServerPid: null };
  const before = await readRecord(path);
  if (before !== undefined && before.pid !== process.pid && isAlive(before.pid)) {
    throw new Fault("CONFLICT", `${dataDir} is in use by the stack with pid ${before.pid}`, {
      retryable: false,
    });
  }
  await replaceFile(path, own);
  return { leftServerPid: before?.serverPid ?? null };
}

export async function noteServer(dataDir: string, serverPid: number | null): Promise<void> {
  await replaceFile(join(dataDir, LOCK), JSON.stringify({ pid: process.pid, serverPid }));
}

export async function unlockDataDir(dataDir: string): Promise<void> {
  await rm(join(dataDir, LOCK), { force: true });
}
