/**
 * One change of the keys of a directory at a time: a starting stack and `bioxen auth` wait for each other.
 */
import { chmod, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeSecretDirectory } from "@bioxen/auth";
import { Fault } from "@bioxen/kernel";
import { DirectoryLock } from "./directory-lock.ts";

const LOCK = "keys.lock.db";
/** Longest wait for the change of another process, ms: it reloads the server and tries the keys. */
const WAIT_MS = 30_000;
const POLL_INTERVAL_MS = 20;
const OWNER_ONLY_FILE = 0o600;

/** Carries out `work` while no other process changes the keys. Throws `Fault` CONFLICT after 30 s. */
export async function withKeysLocked<T>(dir: string, work: () => Promise<T>): Promise<T> {
  await makeSecretDirectory(dir);
  const path = join(dir, LOCK);
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const lock = DirectoryLock.take(path);
    if (lock !== undefined) {
      try {
        if ((await stat(path)).mode % 0o1000 !== OWNER_ONLY_FILE) await chmod(path, OWNER_ONLY_FILE);
        return await work();
      } finally {
        lock.release();
      }
    }
    if (performance.now() > deadline) {
      throw new Fault("CONFLICT", `another process changes the keys in ${dir}: try again`, {
        retryable: true,
      });
    }
    await sleep(POLL_INTERVAL_MS);
  }
}
