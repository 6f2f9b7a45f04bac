/**
 * The directory of a backup: its files, and the replacement of its manifest as the one step with which a backup becomes
 * valid.
 *
 * Files are written under new names and never changed. The manifest is replaced last, by a rename. A backup that is
 * interrupted before leaves the previous one as it was, and files that belong to no backup. The next backup removes them.
 */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault, messageOf } from "@bioxen/kernel";
import {
  type BackupFile,
  filesOf,
  MANIFEST_FILE,
  type Manifest,
  manifestText,
  parseManifest,
} from "./manifest.ts";

/** Names the directory as one of a backup, so that no backup removes files of another program. */
const MARK_FILE = "bioxen-backup";
export const MARK_TEXT =
  "A backup of a BioXen: `bioxen backup verify` checks it, `bioxen backup restore` uses it.\n";
/** File of the lock that a command holds while it writes. It is empty. */
export const LOCK_FILE = "backup.lock.db";
const STREAMS_FOLDER = "streams";

/** Why a directory has no valid backup. */
export class BackupProblem extends Error {
  /** `incomplete`: no backup was ever finished here. `damaged`: the backup has changed. */
  readonly kind: "absent" | "incomplete" | "damaged";

  constructor(kind: BackupProblem["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

export class BackupDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Opens a directory to write a backup into it, and makes it when it does not exist. Throws `Fault` CONFLICT. */
  static async forWriting(path: string): Promise<BackupDirectory> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const names = await readdir(path);
    if (names.length > 0 && !names.includes(MARK_FILE)) {
      throw new Fault("CONFLICT", `${path} has files of something else: name an empty directory`, {
        retryable: false,
      });
    }
    const directory = new BackupDirectory(path);
    if (names.length === 0) await directory.#replace(MARK_FILE, MARK_TEXT);
    await mkdir(join(path, STREAMS_FOLDER), { recursive: true, mode: 0o700 });
    return directory;
  }

  static forReading(path: string): BackupDirectory {
    return new BackupDirectory(path);
  }

  pathOf({ path }: Pick<BackupFile, "path">): string {
    return join(this.path, ...path.split("/"));
  }

  /** Returns the valid manifest. Throws {@link BackupProblem}. */
  async manifest(): Promise<Manifest> {
    const mark = await textOf(join(this.path, MARK_FILE));
    if (mark === undefined) throw new BackupProblem("absent", `${this.path} has no backup`);
    if (mark !== MARK_TEXT) throw new BackupProblem("damaged", `${MARK_FILE}: its text has changed`);
    const text = await textOf(join(this.path, MANIFEST_FILE));
    if (text === undefined) {
      throw new BackupProblem("incomplete", `the backup in ${this.path} is incomplete: it was interrupted`);
    }
    const manifest = parseManifest(text);
    if (typeof manifest === "string") throw new BackupProblem("damaged", `${MANIFEST_FILE}: ${manifest}`);
    return manifest;
  }

  /** Makes the files of the manifest the backup, and removes all others. */
  async publish(manifest: Manifest): Promise<void> {
    await syncDirectory(join(this.path, STREAMS_FOLDER));
    await this.#replace(MANIFEST_FILE, manifestText(manifest));
    await this.removeLeftovers(manifest);
  }

  /** Removes the files of interrupted backups, and those of backups that `manifest` has replaced. */
  async removeLeftovers(manifest: Manifest | undefined): Promise<void> {
    for (const path of await this.leftovers(manifest)) await rm(this.pathOf({ path }), { force: true });
  }

  /** Returns the paths of the files that belong to no backup. */
  async leftovers(manifest: Manifest | undefined): Promise<string[]> {
    const known = new Set(manifest === undefined ? [] : filesOf(manifest).map(({ path }) => path));
    for (const name of [MARK_FILE, MANIFEST_FILE, LOCK_FILE, STREAMS_FOLDER]) known.add(name);
    const inFolder = await readdir(join(this.path, STREAMS_FOLDER)).catch((): string[] => []);
    const all = [...(await readdir(this.path)), ...inFolder.map((name) => `${STREAMS_FOLDER}/${name}`)];
    return all.filter((path) => !known.has(path)).sort();
  }

  async sizeOf(file: BackupFile): Promise<number | undefined> {
    try {
      return (await stat(this.pathOf(file))).size;
    } catch {
      return undefined;
    }
  }

  async #replace(name: string, text: string): Promise<void> {
    const draft = join(this.path, `${name}.new`);
    const handle: FileHandle = await open(draft, "w", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, join(this.path, name));
    await syncDirectory(this.path);
  }
}

export function streamFile(stream: string, generation: number, what = "messages"): string {
  return `${STREAMS_FOLDER}/${stream}-${String(generation).padStart(6, "0")}-${what}.zst`;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new BackupProblem("damaged", `${path} cannot be read: ${messageOf(cause)}`);
  }
}

/** Without this, a power cut can lose the names of files whose contents are on disk. Windows cannot sync a directory. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
