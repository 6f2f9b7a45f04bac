/**
 * Remembers the sessions of this client where the next one, after a crash, finds them: a pool counts sessions per originator
 * and keeps what they own, and nobody else can end them. A reference is as good as the password while it lives, so the
 * file is for its owner only.
 */
import { readFile, rename, writeFile } from "node:fs/promises";

export interface SessionStore {
  load(): Promise<readonly string[]>;
  add(session: string): Promise<void>;
  remove(session: string): Promise<void>;
}

const OWNER_ONLY = 0o600;
const REFERENCE = /^OpaqueRef:[\w-]{1,100}$/;

export class SessionFile implements SessionStore {
  readonly #path: string;
  #written: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  async load(): Promise<readonly string[]> {
    const text = await readFile(this.#path, "utf8").catch(() => "");
    return text.split("\n").filter((line) => REFERENCE.test(line));
  }

  add(session: string): Promise<void> {
    return this.#change((sessions) => [...sessions, session]);
  }

  remove(session: string): Promise<void> {
    return this.#change((sessions) => sessions.filter((one) => one !== session));
  }

  /** One after the other, each whole or not at all. */
  #change(to: (sessions: readonly string[]) => readonly string[]): Promise<void> {
    const write = async (): Promise<void> => {
      const draft = `${this.#path}.${process.pid}`;
      await writeFile(
        draft,
        to(await this.load())
          .map((line) => `${line}\n`)
          .join(""),
        { mode: OWNER_ONLY },
      );
      await rename(draft, this.#path);
    };
    this.#written = this.#written.then(write, write);
    return this.#written;
  }
}
