/**
 * The data directory of a local stack, reserved for one stack at a time.
 *
 * The operating system holds the reservation (directory-lock.ts). A second file says which process has it: for error
 * texts, for `bioxen down`, and for earlier versions of BioXen, which know that file only.
 */
import { readdir, readFile, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "@bioxen/kernel";
import { type RecordedProcess, startOf, stillRuns } from "@bioxen/nats";
import { DirectoryLock } from "./directory-lock.ts";
import { Leftovers, SERVER_CONFIG } from "./leftovers.ts";
import { makeDirectory } from "./make-directory.ts";
import { replaceFile } from "./stack-file.ts";

/** Name of the file that the operating system locks. */
const LOCK = "stack.lock.db";
/** Name of the file that describes the stack that has the lock. */
const HOLDER = "stack.lock";
/** Longest wait until a stack that has just taken the lock has written `stack.lock`, ms. */
const HOLDER_WAIT_MS = 1_000;
const POLL_INTERVAL_MS = 20;

export interface Holder extends RecordedProcess {
  readonly serverPid: number | null;
}

export class DataDirectory {
  /** The path as the caller gave it, with symbolic links. Clients see this path. */
  readonly path: string;
  readonly leftovers: Leftovers;
  readonly #lock: DirectoryLock;
  #start: string | undefined;
  #isReleased = false;
  #lastNote: Promise<void> = Promise.resolve();

  private constructor(path: string, leftovers: Leftovers, lock: DirectoryLock) {
    this.path = path;
    this.leftovers = leftovers;
    this.#lock = lock;
  }

  /**
   * Reserves the data directory for this process, and creates the directory when it does not exist. When another
   * running stack has reserved the directory, returns that stack as `heldBy` (undefined if the stack is unknown).
   */
  static async take(path: string): Promise<DataDirectory | { readonly heldBy: Holder | undefined }> {
    await makeDirectory(path);
    const leftovers = new Leftovers(path, await realpath(path));
    const lock = DirectoryLock.take(join(path, LOCK));
    if (lock === undefined) return { heldBy: await knownHolder(path) };
    const taken = new DataDirectory(path, leftovers, lock);
    const earlier = await holderOf(path);
    if (earlier !== undefined && (await isEarlierVersion(earlier, leftovers))) {
      lock.release();
      return { heldBy: earlier };
    }
    taken.#start = await startOf(process.pid);
    await taken.noteServer(null);
    return taken;
  }

  /** Resolves with the path without symbolic links. The command lines of the stack's processes contain this path. */
  async realPath(): Promise<string> {
    return realpath(this.path);
  }

  /** Records the process id of the server, for earlier versions of BioXen. Does nothing after the release. */
  noteServer(serverPid: number | null): Promise<void> {
    const holder: Holder = { pid: process.pid, start: this.#start, serverPid };
    const note = async () => {
      if (!this.#isReleased) await replaceFile(join(this.path, HOLDER), JSON.stringify(holder));
    };
    this.#lastNote = this.#lastNote.then(note, note);
    return this.#lastNote;
  }

  /** Releases the data directory; idempotent. */
  async release(): Promise<void> {
    this.#isReleased = true;
    await this.#lastNote.catch(() => undefined);
    await rm(join(this.path, HOLDER), { force: true });
    this.#lock.release();
  }
}

/** True when a stack has used the directory. */
export async function isDataDirectory(path: string): Promise<boolean> {
  const names = await readdir(path).catch((): string[] => []);
  return [LOCK, HOLDER, SERVER_CONFIG].some((name) => names.includes(name));
}

/** Returns the error for a data directory that a running stack uses. */
export function inUse(path: string, holder: Holder | undefined): Fault {
  const pid = holder === undefined ? "" : ` with pid ${holder.pid}`;
  const message = `${path} is in use by the stack${pid}: stop it with bioxen down --data ${path}, or choose another --data`;
  return new Fault("CONFLICT", message, { retryable: false });
}

/** Returns the holder named in `stack.lock`, which may have ended; undefined when the file is absent or malformed. */
export async function holderOf(path: string): Promise<Holder | undefined> {
  try {
    const { pid, start, serverPid } = JSON.parse(
      await readFile(join(path, HOLDER), "utf8"),
    ) as Partial<Holder>;
    if (!Number.isSafeInteger(pid) || Number(pid) < 1) return undefined;
    return { pid: Number(pid), start, serverPid: serverPid ?? null };
  } catch {
    return undefined;
  }
}

/**
 * Returns the running process that has the lock; undefined when that process does not write `stack.lock` in time. Until
 * the process has written `stack.lock`, the file is absent or describes an earlier stack.
 */
async function knownHolder(path: string): Promise<Holder | undefined> {
  const deadline = performance.now() + HOLDER_WAIT_MS;
  for (;;) {
    const holder = await holderOf(path);
    if (holder !== undefined && (await stillRuns(holder))) return holder;
    if (performance.now() > deadline) return undefined;
    await sleep(POLL_INTERVAL_MS);
  }
}

/**
 * True when a running stack of an earlier version uses the directory. Such a stack takes no lock of the operating
 * system, but is the parent of the server that runs on the directory.
 */
async function isEarlierVersion(holder: Holder, leftovers: Leftovers): Promise<boolean> {
  if (holder.start !== undefined || holder.pid === process.pid) return false;
  return (await leftovers.servers()).some(({ parent }) => parent === holder.pid);
}
