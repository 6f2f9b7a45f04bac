/**
 * A disk for the store that can be filled: a separate tmpfs, and a file that takes all its free space.
 */
import { execFile } from "node:child_process";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "@bioxen/kernel";

const run = promisify(execFile);
const FILLER = "filler";
const BLOCK_BYTES = 65_536;

export class SmallDisk {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Mounts a disk on `dir`. Returns the reason where this machine cannot. */
  static async mount(dir: string, mebibytes: number): Promise<SmallDisk | string> {
    await mkdir(dir, { recursive: true });
    try {
      await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "bioxen-chaos", dir]);
      return new SmallDisk(dir);
    } catch (thrown) {
      return messageOf(thrown).trim().split("\n").at(-1) ?? "mount failed";
    }
  }

  /** Fills the disk to the last byte. */
  async fill(): Promise<void> {
    const filler = await open(join(this.#dir, FILLER), "a");
    try {
      for (const bytes of [Buffer.alloc(2 ** 20), Buffer.alloc(BLOCK_BYTES), Buffer.alloc(1)]) {
        await writeUntilFull(filler, bytes);
      }
    } finally {
      await filler.close();
    }
  }

  async free(): Promise<void> {
    await rm(join(this.#dir, FILLER), { force: true });
  }

  async unmount(): Promise<void> {
    await run("umount", [this.#dir]);
  }
}

async function writeUntilFull(file: Awaited<ReturnType<typeof open>>, bytes: Buffer): Promise<void> {
  for (;;) {
    try {
      const { bytesWritten } = await file.write(bytes);
      if (bytesWritten < bytes.byteLength) return;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOSPC") return;
      throw thrown;
    }
  }
}
