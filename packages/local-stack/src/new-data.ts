/**
 * Makes the data directory of a stack that does not exist yet, on a server of its own without services. The directory
 * gets its name only when it is complete and on disk.
 */
import { mkdir, mkdtemp, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Fault } from "@bioxen/kernel";
import { LOG_RECORD_FILE } from "@bioxen/nats";
import { startServer } from "./server.ts";
import { findServerBinary } from "./server-binary.ts";

export interface NewData {
  /** Path of the directory while it is filled. */
  readonly dir: string;
  /** URL of a server on it, which lets in every process of this machine. */
  readonly url: string;
  /** Path of the second copy of the record of the log. */
  readonly recordFile: string;
}

/**
 * Calls `fill` with a new data directory, and gives the directory its name `path` once `fill` has resolved. Throws
 * `Fault` CONFLICT when `path` exists and is not an empty directory. After an error, `path` is as it was.
 */
export async function makeDataDirectory<T>(
  path: string,
  fill: (data: NewData) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const target = resolve(path);
  await refuseUsed(target);
  await mkdir(dirname(target), { recursive: true });
  const dir = await mkdtemp(join(dirname(target), `.${basename(target)}-`));
  try {
    const binary = await findServerBinary();
    // Nothing is acknowledged to a client: all files are synced at the end.
    const settings = { binary, dataDir: dir, port: undefined, durability: "relaxed" } as const;
    const server = await startServer({ ...settings, signal, onChange: () => undefined });
    const filled = await orAborted(
      fill({ dir, url: server.url, recordFile: join(dir, LOG_RECORD_FILE) }),
      signal,
    ).finally(() => server.child.stop());
    await syncTree(dir);
    await rmdir(target).catch(() => undefined);
    await rename(dir, target);
    await syncTree(dirname(target), false);
    return filled;
  } catch (thrown) {
    await rm(dir, { recursive: true, force: true });
    throw thrown;
  }
}

async function refuseUsed(path: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    const message = `${path} is no directory: name one that does not exist`;
    throw new Fault("CONFLICT", message, { retryable: false, cause });
  }
  if (names.length === 0) return;
  const message = `${path} is not empty: name a directory that does not exist`;
  throw new Fault("CONFLICT", message, { retryable: false });
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const aborted = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, aborted]);
}

/** Waits until the files and folders below `path` are on disk. Windows cannot sync a folder. */
async function syncTree(path: string, recursive = true): Promise<void> {
  const entries = recursive ? await readdir(path, { withFileTypes: true, recursive: true }) : [];
  const paths = [path, ...entries.map((entry) => join(entry.parentPath, entry.name))];
  for (const [i, one] of paths.entries()) {
    const isFolder = i === 0 || entries[i - 1]?.isDirectory() === true;
    if (isFolder && process.platform === "win32") continue;
    const handle = await open(one, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
