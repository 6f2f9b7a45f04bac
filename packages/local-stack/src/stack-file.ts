/**
 * The two small files of a local stack: the pointer, by which clients find the stack, and the lock, which reserves a
 * data directory for one stack at a time. `findLocalStack` of `@bioxen/nats` reads the pointer.
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

/** Removes the pointer if this process wrote it. */
export async function removePointer(home: string): Promise<void> {
  const record = await readStackRecord(stackPointer(home));
  if (record?.pid === process.pid) await rm(stackPointer(home), { force: true });
}

/**
 * Locks the data directory for this process. Returns the pid of the nats-server that a killed stack left running, or
 * null. Throws `Fault` CONFLICT when a running stack has the lock.
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
    throw new Fault(
      "CONFLICT",
      `${dataDir} is in use by the stack with pid ${before.pid}: stop it with bioxen down, or choose another --data`,
      {
        retryable: false,
      },
    );
  }
  await replaceFile(path, own);
  return { leftServerPid: before?.serverPid ?? null };
}

/** Records the server's pid in the lock, for the next stack if this one is killed. */
export async function noteServer(dataDir: string, serverPid: number | null): Promise<void> {
  await replaceFile(join(dataDir, LOCK), JSON.stringify({ pid: process.pid, serverPid }));
}

export async function unlockDataDir(dataDir: string): Promise<void> {
  await rm(join(dataDir, LOCK), { force: true });
}
