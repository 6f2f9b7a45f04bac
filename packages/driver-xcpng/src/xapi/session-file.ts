/**
 * Remembers the session of this client where the next one, after a crash, finds it: a pool counts sessions per originator
 * and keeps what they own, and nobody else can end them. A reference is as good as the password while it lives, so the
 * file is for its owner only.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";

export interface SessionStore {
  load(): Promise<string | undefined>;
  /** undefined: there is none any more. */
  save(session: string | undefined): Promise<void>;
}

const OWNER_ONLY = 0o600;
const REFERENCE = /^OpaqueRef:[\w-]{1,100}$/;

export class SessionFile implements SessionStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async load(): Promise<string | undefined> {
    const text = await readFile(this.#path, "utf8").catch(() => "");
    return REFERENCE.test(text.trim()) ? text.trim() : undefined;
  }

  async save(session: string | undefined): Promise<void> {
    if (session === undefined) return rm(this.#path, { force: true });
    const draft = `${this.#path}.${process.pid}`;
    await writeFile(draft, `${session}\n`, { mode: OWNER_ONLY });
    await rename(draft, this.#path);
  }
}
