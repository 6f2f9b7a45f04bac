/**
 * The directory of a backup as a command uses it: one command at a time writes into it.
 */
import { join, resolve } from "node:path";
import { BackupDirectory, LOCK_FILE, type Manifest, verifyBackup } from "@bioxen/backup";
import { DirectoryLock } from "@bioxen/local-stack";
import { BackupProgress } from "./backup-words.ts";
import { CommandEnd, EXIT_REFUSED, refused } from "./outcome.ts";

/** Calls `write` with the directory, while no other command writes into it. */
export async function whileLocked<T>(
  path: string,
  write: (directory: BackupDirectory) => Promise<T>,
): Promise<T> {
  const directory = await BackupDirectory.forWriting(resolve(path));
  const lock = DirectoryLock.take(join(directory.path, LOCK_FILE));
  if (lock === undefined) {
    throw refused({
      code: "CONFLICT",
      message: `another command writes a backup into ${directory.path}: wait for its end`,
      retryable: true,
    });
  }
  try {
    return await write(directory);
  } finally {
    lock.release();
  }
}

/** Returns the manifest of a backup after it was verified. Ends the command with every problem of a damaged backup. */
export async function verifiedManifest(path: string): Promise<Manifest> {
  const progress = new BackupProgress("verifying");
  const { manifest, problems } = await verifyBackup(resolve(path), progress.seen);
  progress.end();
  if (manifest !== undefined && problems.length === 0) return manifest;
  throw damaged(problems);
}

export function damaged(problems: readonly string[]): CommandEnd {
  const [first = "the backup is damaged"] = problems;
  const rest = problems.slice(1).map((problem) => `\n  ${problem}`);
  const error = { code: "CONFLICT", message: first, retryable: false, details: { problems: [...problems] } };
  return new CommandEnd(EXIT_REFUSED, `${first}${rest.join("")}`, error);
}
