/**
 * The pointer by which clients find a local stack. `findLocalStack` of `@bioxen/nats` reads it.
 */
import { randomUUID } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { readStackRecord, type StackRecord, stackPointer, stillRuns } from "@bioxen/nats";
import { makeDirectory } from "./make-directory.ts";

/** Another user of the machine has no use for the file. */
const OWNER_ONLY = 0o600;

export async function replaceFile(path: string, content: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, content, { mode: OWNER_ONLY });
  await rename(draft, path);
}

export async function writePointer(home: string, record: StackRecord): Promise<void> {
  await makeDirectory(home);
  await replaceFile(stackPointer(home), `${JSON.stringify(record, null, 2)}\n`);
}

/** Removes the pointer if it was written by this process, or by a process that has ended. */
export async function removePointer(home: string): Promise<void> {
  const record = await readStackRecord(stackPointer(home));
  if (record === undefined) return;
  if (record.pid === process.pid || !(await stillRuns(record))) await rm(stackPointer(home), { force: true });
}
