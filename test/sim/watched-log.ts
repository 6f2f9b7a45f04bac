/**
 * What the guards of a simulated cluster see of the log, and the record that they keep of it.
 */
import { type LogRecord, rangesOf } from "../../packages/nats/src/log-damage.ts";
import type { WatchedLog } from "../../packages/nats/src/log-guard.ts";
import type { SimLog } from "./log.ts";

export class SimWatchedLog implements WatchedLog {
  readonly copies = 1;
  readonly #log: SimLog;
  record: LogRecord | undefined;

  constructor(log: SimLog) {
    this.#log = log;
  }

  async state() {
    const seqs = Array.from({ length: this.#log.lastSeq }, (_, i) => i + 1);
    const present = seqs.filter((seq) => this.#log.at(seq) !== undefined);
    return {
      created: this.#log.created,
      lastSeq: this.#log.lastSeq,
      readableSeq: present.at(-1) ?? 0,
      missing: rangesOf(seqs.filter((seq) => this.#log.at(seq) === undefined)),
      drift: [],
    };
  }

  async markAt(seq: number) {
    const message = this.#log.at(seq);
    return message && { digest: message.digest, storedAt: this.#log.storedAt(message) };
  }

  async records() {
    return this.record === undefined ? [] : [this.record];
  }

  async write(record: LogRecord) {
    this.record = record;
  }

  async remove() {
    this.record = undefined;
  }
}

/** Returns the access of one process to the watched log. `reach` fails while the process is cut off. */
export function watchedThrough(
  log: WatchedLog,
  reach: <T>(work: () => Promise<T>) => Promise<T>,
): WatchedLog {
  return {
    copies: log.copies,
    state: () => reach(() => log.state()),
    markAt: (seq) => reach(() => log.markAt(seq)),
    records: () => reach(() => log.records()),
    write: (record) => reach(() => log.write(record)),
    remove: () => reach(() => log.remove()),
  };
}
