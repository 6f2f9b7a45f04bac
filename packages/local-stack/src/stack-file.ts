/**
 * The two small files of a local stack: the pointer by which other commands find it, and the lock by which a data
 * directory belongs to one stack at a time.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "@bioxen/kernel";
import { isAlive, readStackRecord, type StackRecord, stackPointer } from "@bioxen/nats";

const LOCK = "stack.lock";

async function replaceFile(path: string, content: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, content);
  await rename(draft, path);
}

export async function writePointer(home: string, record: StackRecord): Promise<void> {
  await mkdir(home, { recursive: true });
  await replaceFile(stackPointer(home), `${JSON.stringify(record, null, 2)}\n`);
}

/** Removes the pointer when it is this stack's. */
export async function removePointer(home: string): Promise<void> {
  const record = await readStackRecord(stackPointer(home));
  if (record?.pid === process.pid) await rm(stackPointer(home), { force: true });
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
  const before = await readStackRecord(path);
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
