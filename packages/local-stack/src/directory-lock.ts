/**
 * A lock on a directory that the operating system holds for this process.
 *
 * The kernel releases the lock when the process ends, however it ends. A stale lock is therefore impossible, and no
 * process id in a file has to be trusted. Node has no call for such a lock, but SQLite, a part of Node, takes one on
 * its file (`fcntl` on Linux and macOS, `LockFileEx` on Windows) for an exclusive transaction that stays open. The lock
 * also holds between containers that share the directory, where process ids mean nothing.
 *
 * Two alternatives were rejected. A native module for `flock` needs a build for every platform. With a socket in the
 * directory, two processes can find the same stale socket; the slower process then removes the new socket of the other.
 */
import { chmodSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Fault, messageOf } from "@bioxen/kernel";

/** Primary result code of SQLite for a lock that another connection holds. */
const SQLITE_BUSY = 5;
/** Bit mask that takes the primary result code out of an extended result code of SQLite. */
const PRIMARY_CODE = 0xff;

export class DirectoryLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Takes the lock whose file is `path`; the folder of the file must exist. Returns undefined when another process, or
   * another lock of this process, holds it. Throws `Fault` UNAVAILABLE when the file system cannot lock files.
   */
  static take(path: string): DirectoryLock | undefined {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path);
      // A user that can open the file can hold a lock on it.
      chmodSync(path, 0o600);
      database.exec("BEGIN EXCLUSIVE");
      return new DirectoryLock(database);
    } catch (cause) {
      database?.close();
      const { errcode } = cause as { readonly errcode?: number };
      if (errcode !== undefined && (errcode & PRIMARY_CODE) === SQLITE_BUSY) return undefined;
      const message = `${path} cannot be locked: ${messageOf(cause)}: use a local file system with locks`;
      throw new Fault("UNAVAILABLE", message, { retryable: false, cause });
    }
  }

  /** Releases the lock; idempotent. The file stays. */
  release(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
