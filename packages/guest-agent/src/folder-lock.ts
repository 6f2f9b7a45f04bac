/**
 * A lock on the state folder that the operating system holds for this process, so that a second agent cannot write to
 * the same cell. The system releases it when the process ends, however it ends.
 *
 * Node has no call for such a lock. `flock` of util-linux or busybox locks the open file that it inherits; the lock then
 * belongs to this process, which has the same file open.
 */
import { spawnSync } from "node:child_process";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { SettingsError } from "./socket-server.ts";

const LOCK = "lock";
const MODE = 0o600;
/** Where the tool is, beside the folders of PATH. */
const SYSTEM_PATH = "/usr/bin:/bin";
/** Number of the file in the process of the tool: the first one after stdin, stdout and stderr. */
const INHERITED = 3;
/** Exit status of `flock --nonblock` when another process has the lock. */
const IS_HELD = 1;

export class FolderLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Locks the folder, which must exist. Rejects with a {@link SettingsError} when another agent has the lock. A system
   * without `flock` has no lock; `log` then says so.
   */
  static async take(folder: string, path: string, log: (line: string) => void): Promise<FolderLock> {
    const file = await open(join(folder, LOCK), constants.O_WRONLY | constants.O_CREAT, MODE);
    const { status, error, stderr } = spawnSync("flock", ["-x", "-n", String(INHERITED)], {
      env: { PATH: `${path}:${SYSTEM_PATH}` },
      stdio: ["ignore", "ignore", "pipe", file.fd],
      encoding: "utf8",
    });
    if (status === IS_HELD) {
      await file.close();
      throw new SettingsError(
        `another agent uses the state folder ${folder}: stop it, or choose another folder`,
      );
    }
    if (status !== 0) {
      const why = error?.message ?? stderr.trim();
      log(`the state folder is not locked, so that a second agent on it would not be noticed: ${why}`);
    }
    return new FolderLock(file);
  }

  /** Releases the lock. The file stays. */
  release(): Promise<void> {
    return this.#file.close();
  }
}
