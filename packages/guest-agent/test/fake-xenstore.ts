/**
 * A xenstore of files with the tools `xenstore-read` and `xenstore-write`, each in the behaviour of one of the two
 * packages that Linux machines have:
 *
 * - `xen`: Xen's tools/xenstore/xenstore_client.c. It prints all values it has read also when a later key is absent,
 *   then "couldn't read path KEY" and code 1. It doubles each backslash that it reads, and halves it when it writes
 *   (sanitise_value, unsanitise_value).
 * - `xe`: xe-guest-utilities, xenstore/xenstore.go. It prints each value at once, ends at an absent key with
 *   "xenstore-read error: ENOENT", and changes no character.
 *
 * xenstored rejects a value above 2 048 bytes (default quota "entry size").
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export type Tools = "xen" | "xe";

const READ: Readonly<Record<Tools, string>> = {
  xen: `for key; do
  [ -f "$STORE/$key" ] || { echo "xenstore-read: couldn't read path $key" >&2; exit 1; }
  sed 's/\\\\/\\\\\\\\/g' "$STORE/$key"; echo
done`,
  xe: `for key; do
  [ -f "$STORE/$key" ] || { echo "xenstore-read error: ENOENT" >&2; exit 1; }
  cat "$STORE/$key"; echo
done`,
};
const write = (edit: string, refusal: string) => `while [ $# -gt 0 ]; do
  mkdir -p "$STORE/$(dirname "$1")"
  printf '%s' "$2" ${edit} > "$STORE/$1.$$"
  if [ "$(wc -c < "$STORE/$1.$$")" -gt 2048 ]; then rm "$STORE/$1.$$"; echo "${refusal}" >&2; exit 1; fi
  mv "$STORE/$1.$$" "$STORE/$1"
  shift 2
done`;
const WRITE: Readonly<Record<Tools, string>> = {
  xen: write(`| sed 's/\\\\\\\\/\\\\/g'`, "xenstore-write: could not write path $1"),
  xe: write("", "xenstore-write error: E2BIG"),
};

export class FakeXenstore {
  /** Folder of the tools, for PATH. */
  readonly bin: string;
  readonly #store: string;

  private constructor(dir: string) {
    this.bin = join(dir, "bin");
    this.#store = join(dir, "store");
  }

  static async create(dir: string, tools: Tools): Promise<FakeXenstore> {
    const xenstore = new FakeXenstore(dir);
    await mkdir(xenstore.bin, { recursive: true });
    await mkdir(xenstore.#store, { recursive: true });
    for (const [name, body] of [
      ["xenstore-read", READ[tools]],
      ["xenstore-write", WRITE[tools]],
    ] as const) {
      const path = join(xenstore.bin, name);
      await writeFile(path, `#!/bin/sh\nSTORE='${xenstore.#store}'\n${body}\n`);
      await chmod(path, 0o755);
    }
    return xenstore;
  }

  async set(keys: Readonly<Record<string, string>>): Promise<void> {
    for (const [key, value] of Object.entries(keys)) {
      const path = join(this.#store, key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}.test`, value);
      await rename(`${path}.test`, path);
    }
  }

  async get(key: string): Promise<string | undefined> {
    return readFile(join(this.#store, key), "utf8").catch(() => undefined);
  }

  /** Removes a key, or the whole folder that it is. */
  async remove(key: string): Promise<void> {
    await rm(join(this.#store, key), { recursive: true, force: true });
  }
}
