/**
 * The files of the cell in the state folder: `cell` and, from the write before, `cell.previous`.
 *
 * A write goes to a temporary file, which is flushed to the disk and then renamed. A crash at any moment therefore
 * leaves a complete file: the new one or the old one. A damaged file can only come from the disk itself. It is renamed
 * to `cell.damaged-<time>` and reported, and the previous file is used.
 */
import { constants } from "node:fs";
import { chmod, link, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "@bioxen/kernel";
import { MAX_DAMAGED_FILES } from "./limits.ts";
import { decodeCell, encodeCell, type StoredCell } from "./stored-cell.ts";

const CURRENT = "cell";
const PREVIOUS = "cell.previous";
const DAMAGED = "cell.damaged-";
const MODE = 0o600;

export class CellStore {
  readonly #dir: string;
  readonly #log: (line: string) => void;

  /** `dir` is created with mode 0700 at {@link open}. `log` receives a line for each damaged file. */
  constructor(dir: string, log: (line: string) => void) {
    this.#dir = dir;
    this.#log = log;
  }

  async open(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await chmod(this.#dir, 0o700);
  }

  /** Writes the cell. Resolves when it is on the disk. */
  async save(cell: StoredCell): Promise<void> {
    const temporary = this.#path(`${CURRENT}.new`);
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, MODE);
    try {
      await file.writeFile(encodeCell(cell));
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#keepPrevious();
    await rename(temporary, this.#path(CURRENT));
    await this.#syncFolder();
  }

  /** Returns the newest readable cell; undefined if there is none. Sets damaged files aside. */
  async load(): Promise<StoredCell | undefined> {
    return (await this.#read(CURRENT)) ?? (await this.#read(PREVIOUS));
  }

  /** Returns the names of the damaged files, the oldest first. */
  async damaged(): Promise<readonly string[]> {
    return (await readdir(this.#dir)).filter((name) => name.startsWith(DAMAGED)).sort();
  }

  async #read(name: string): Promise<StoredCell | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path(name), "utf8");
    } catch (error) {
      if (isAbsent(error)) return undefined;
      return this.#setAside(name, messageOf(error));
    }
    const cell = decodeCell(text);
    return typeof cell === "string" ? this.#setAside(name, cell) : cell;
  }

  async #setAside(name: string, problem: string): Promise<undefined> {
    const to = `${DAMAGED}${new Date().toISOString().replaceAll(":", "")}-${name}`;
    await rename(this.#path(name), this.#path(to));
    this.#log(`the stored cell ${name} is damaged: ${problem}; kept as ${to}`);
    const damaged = await this.damaged();
    for (const oldest of damaged.slice(0, -MAX_DAMAGED_FILES)) await rm(this.#path(oldest));
  }

  /** Gives the present file its second name, so that the name `cell` exists at every moment. */
  async #keepPrevious(): Promise<void> {
    const temporary = this.#path(`${PREVIOUS}.new`);
    await rm(temporary, { force: true });
    try {
      await link(this.#path(CURRENT), temporary);
    } catch (error) {
      if (isAbsent(error)) return;
      throw error;
    }
    await rename(temporary, this.#path(PREVIOUS));
  }

  async #syncFolder(): Promise<void> {
    const folder = await open(this.#dir, constants.O_RDONLY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  #path(name: string): string {
    return join(this.#dir, name);
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
