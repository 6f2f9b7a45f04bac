/**
 * Xenstore through the tools of the machine, `xenstore-read` and `xenstore-write`.
 *
 * Two packages have them: Xen's own (tools/xenstore/xenstore_client.c) and xe-guest-utilities (xenstore/xenstore.go).
 * Both take several keys, print one value per line, and fail with code 1 at the first absent key.
 */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { XENSTORE_TIMEOUT_MS } from "./limits.ts";
import { MAX_XENSTORE_VALUE_BYTES } from "./protocol.ts";

const READ = "xenstore-read";
const WRITE = "xenstore-write";
/** Most bytes that one call prints: more keys than the agent reads, each with the largest value, escaped. */
const MAX_OUTPUT_BYTES = 64 * MAX_XENSTORE_VALUE_BYTES;

export interface ReadKeys {
  /** The present keys with their values. */
  readonly values: Readonly<Record<string, string>>;
  /** What the tool said of the last key that it could not read; undefined if all were read. */
  readonly trouble: string | undefined;
}

export class Xenstore {
  readonly #path: string;

  /** `path` is the environment variable PATH. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Returns whether both tools are installed. They can be installed while the agent runs. */
  isPresent(): boolean {
    return this.#has(READ) && this.#has(WRITE);
  }

  /** Reads keys. An absent key is left out. */
  async read(names: readonly string[]): Promise<ReadKeys> {
    const together = await this.#run(READ, names);
    const lines = together.output?.split("\n").slice(0, -1) ?? [];
    if (lines.length === names.length) {
      return {
        values: Object.fromEntries(names.map((name, i) => [name, lines[i] ?? ""])),
        trouble: undefined,
      };
    }
    if (names.length === 1) return { values: {}, trouble: together.error ?? "it printed more than one line" };
    const values: Record<string, string> = {};
    let trouble: string | undefined;
    for (const name of names) {
      const { output, error } = await this.#run(READ, [name]);
      if (output === undefined) trouble = error;
      else values[name] = output.replace(/\n$/, "");
    }
    return { values, trouble };
  }

  /** Writes one key. Returns what the tool said if it failed. */
  async write(name: string, value: string): Promise<string | undefined> {
    return (await this.#run(WRITE, [name, value])).error;
  }

  #run(tool: string, args: readonly string[]): Promise<{ output?: string; error?: string }> {
    const options = {
      timeout: XENSTORE_TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { ...process.env, PATH: this.#path },
    };
    return new Promise((resolve) => {
      execFile(tool, args, options, (error, output, stderr) => {
        if (error === null) resolve({ output });
        else resolve({ error: stderr.trim() || error.message });
      });
    });
  }

  #has(tool: string): boolean {
    return this.#path.split(delimiter).some((folder) => {
      try {
        if (folder !== "") accessSync(join(folder, tool), constants.X_OK);
        return folder !== "";
      } catch {
        return false;
      }
    });
  }
}
