/**
 * The xenstore of one running guest: its tree `vm-data`, as files that two small programs read and write.
 *
 * The programs are the tools of Xen by name and behaviour (tools/xenstore/xenstore_client.c): `xenstore-read KEY...`
 * prints one value per line and ends with status 1 at the first absent key; `xenstore-write KEY VALUE` writes one key.
 * Their escaping of unprintable characters is left out. The fake follows the files as xenopsd watches the tree
 * (xenops_server_xen.ml, `watch_xenstore`).
 */
import {
  chmodSync,
  type FSWatcher,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** Maximum size of a value, bytes: the default quota of xenstored for an entry of a guest. */
export const MAX_VALUE_BYTES = 2_048;
/** Prefixes of `xenstore_data` that reach the domain; every other key is ignored (domain.ml, `filtered_xsdata`). */
const ALLOWED = ["vm-data/", "FIST/"];
const ROOT = "vm-data";
/** Time after the last change until the tree is read, ms: several writes of a guest give one event. */
const SETTLE_MS = 20;

/** The tools. `@DIR@` is the folder of the guest's xenstore, `@MAX@` the limit of a value. */
const READ = `#!/bin/sh
PATH=/usr/bin:/bin
for key in "$@"; do
  case $key in *[!A-Za-z0-9/_@-]*|/*|*//*|*/) echo "xenstore-read: couldn't read path $key" >&2; exit 1;; esac
  if [ -f "@DIR@/tree/$key.value" ]; then cat "@DIR@/tree/$key.value"; echo
  else echo "xenstore-read: couldn't read path $key" >&2; exit 1; fi
done
`;
const WRITE = `#!/bin/sh
PATH=/usr/bin:/bin
fail() { echo "xenstore-write: could not write path $key" >&2; exit 1; }
key=$1
case $key in ${ROOT}/*) ;; *) fail;; esac
case $key in *[!A-Za-z0-9/_@-]*|*//*|*/) fail;; esac
[ -e "@DIR@/read-only" ] && fail
[ "$(printf %s "$2" | wc -c)" -gt @MAX@ ] && fail
mkdir -p "@DIR@/tree/\${key%/*}" && printf %s "$2" >"@DIR@/new.$$" && mv "@DIR@/new.$$" "@DIR@/tree/$key.value" || fail
echo >>"@DIR@/changed/log"
`;

type Data = Readonly<Record<string, string>>;

export class GuestXenstore {
  /** Folder of the tools, for the guest's PATH. */
  readonly tools: string;
  readonly #folder: string;
  readonly #watcher: FSWatcher;
  #settling: NodeJS.Timeout | undefined;

  /** Fills the tree of a domain that is built. `onChange` gets the tree after each change by the guest. */
  constructor(folder: string, data: Data, onChange: (data: Data) => void) {
    this.#folder = folder;
    this.tools = join(folder, "bin");
    rmSync(folder, { recursive: true, force: true });
    for (const name of ["bin", "tree", "changed"]) mkdirSync(join(folder, name), { recursive: true });
    this.#addTool("xenstore-read", READ);
    this.#addTool("xenstore-write", WRITE);
    this.#fill(data);
    this.#watcher = watch(join(folder, "changed"), () => {
      clearTimeout(this.#settling);
      this.#settling = setTimeout(() => onChange(this.#read()), SETTLE_MS);
    });
  }

  #addTool(name: string, text: string): void {
    const path = join(this.tools, name);
    writeFileSync(path, text.replaceAll("@DIR@", this.#folder).replaceAll("@MAX@", String(MAX_VALUE_BYTES)));
    chmodSync(path, 0o700);
  }

  #fill(data: Data): void {
    for (const [key, value] of Object.entries(data)) {
      if (!ALLOWED.some((prefix) => key.startsWith(prefix)) || key.includes("..")) continue;
      const path = join(this.#folder, "tree", `${key}.value`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(`${path}.new`, value);
      renameSync(`${path}.new`, path);
    }
  }

  /**
   * Replaces the tree, as `VM.set_xenstore_data` does for a running VM: the whole tree is removed and written again
   * (domain.ml, `set_xsdata`). The new tree has the rights of its parent, which belongs to the control domain
   * (`mkdirperms dom_path roperm`): the guest can no longer write.
   */
  replace(data: Data): void {
    rmSync(join(this.#folder, "tree"), { recursive: true, force: true });
    mkdirSync(join(this.#folder, "tree"));
    this.#fill(data);
    writeFileSync(join(this.#folder, "read-only"), "");
  }

  /** Returns every key below `vm-data` and `FIST`, folders with an empty value (xenops_server_xen.ml, `ls_lR`). */
  #read(): Data {
    const data: Record<string, string> = {};
    const list = (folder: string): void => {
      for (const entry of readdirSync(join(this.#folder, "tree", folder), { withFileTypes: true })) {
        const key = folder === "" ? entry.name : `${folder}/${entry.name}`;
        if (entry.isDirectory()) {
          data[key] ??= "";
          list(key);
        } else if (key.endsWith(".value")) {
          const value = readFileSync(join(this.#folder, "tree", key), "utf8");
          data[key.slice(0, -".value".length)] = value;
        }
      }
    };
    list("");
    return data;
  }

  close(): void {
    clearTimeout(this.#settling);
    this.#watcher.close();
  }
}
