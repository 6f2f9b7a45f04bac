/**
 * Stores the references of open sessions in a file, so that the next process can end these sessions after a crash. A
 * pool limits the number of sessions per originator, and keeps the tasks of an abandoned session. An open session's
 * reference grants the same access as the password, so only the file's owner can read the file.
 *
 * A session is lost when its client dies between the server's login and this record, or when the reply of the login is
 * lost. No client can find such a session again (xapi-project/xen-api, commit e2ee48d):
 * - The class `session` has no `get_all` and no `get_all_records` (datamodel.ml, `expose_get_all_messages_for`), and no
 *   events (`gen_events:false`). References and uuids of sessions are secrets (xapi_session.ml, `destroy_db_session`).
 * - `session.logout_subject_identifier` skips the sessions of the local superuser, and ends those of every other client
 *   with the same user (xapi_session.ml).
 *
 * The server bounds them: it ends a session without running tasks after 24 h of idleness (`inactive_session_timeout`),
 * and the longest idle ones above 500 of one originator (xapi_globs.ml, `max_sessions_per_originator`; db_gc_util.ml,
 * `timeout_sessions`). The originator of a driver names its agent, so lost sessions displace no other client's.
 */
import { readFile, rename, writeFile } from "node:fs/promises";

/** Where a client records its open sessions. */
export interface SessionStore {
  load(): Promise<readonly string[]>;
  add(session: string): Promise<void>;
  remove(session: string): Promise<void>;
}

/** Mode of the file: read and write for its owner only. */
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

  /**
   * Replaces the stored list of sessions by the list that `to` returns for it. Changes are serialised, and each
   * replaces the file atomically.
   */
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
