/**
 * Creates a directory with its parents, which only the owner can read: a data directory holds ids, labels and logs.
 *
 * Node's own recursive `mkdir` never ends where the parent exists and cannot contain directories, such as /proc.
 */
import { chmod, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Fault, messageOf } from "@bioxen/kernel";

/** Mode of directories that are made here. */
const OWNER_ONLY = 0o700;

/** Creates the directory, or takes the rights of others away from an existing one: only for folders of BioXen itself. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await makeDirectory(path);
  await chmod(path, OWNER_ONLY);
}

/** Leaves the mode of an existing directory. Throws `Fault` BAD_REQUEST when the directory does not exist and cannot be created. Idempotent. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await create(path);
  } catch (cause) {
    const message = `the directory ${path} cannot be created: ${messageOf(cause)}`;
    throw new Fault("BAD_REQUEST", message, { retryable: false, cause });
  }
}

async function create(path: string): Promise<void> {
  if (await isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) await create(parent);
  await mkdir(path, { mode: OWNER_ONLY }).catch((cause: NodeJS.ErrnoException) => {
    // Another process may have created it meanwhile. A file of this name fails the next use.
    if (cause.code !== "EEXIST") throw cause;
  });
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
