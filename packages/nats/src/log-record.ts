/**
 * The record of the event log, which is kept outside of the log (docs/adr/0021-a-record-of-the-log.md). It is in a
 * bucket, which survives a deleted or damaged event stream. A local stack has a second copy in a file of its data
 * directory, which survives a store that was replaced as a whole.
 */
import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import * as z from "zod";
import { Bucket } from "./buckets.ts";
import type { Bus } from "./bus.ts";
import type { LogRecord } from "./log-damage.ts";
import { isMessageNotFound, isStreamNotFound } from "./server-codes.ts";
import { BUCKETS, type StorageSettings } from "./storage.ts";

/** Name of the file with the second copy of the record, in the data directory of a local stack. */
export const LOG_RECORD_FILE = "log-record.json";
/** The only key of the bucket. */
export const LOG_RECORD_KEY = "log";
const CALL_TIMEOUT_MS = 2_000;

const recordSchema = z.object({
  created: z.string(),
  lastSeq: z.int().min(0),
  digest: z.string(),
  storedAt: z.string().optional(),
  missing: z.array(z.tuple([z.int().min(1), z.int().min(1)])),
});

export interface LogRecordPlace {
  readonly bus: Bus;
  readonly storage?: StorageSettings;
  /** Path of the file for a second copy of the record. When absent, the record is only in the bucket. */
  readonly file?: string | undefined;
}

/** Returns the records that exist. A malformed record counts as absent. */
export async function readLogRecords(jsm: JetStreamManager, file: string | undefined): Promise<LogRecord[]> {
  const texts = [await bucketText(jsm), file === undefined ? undefined : await fileText(file)];
  return texts.flatMap((text) => (text === undefined ? [] : (parsed(text) ?? [])));
}

/** Returns the record in the bucket. Never creates the bucket, so that callers need no right to create streams. */
async function bucketText(jsm: JetStreamManager): Promise<string | undefined> {
  const { name } = BUCKETS.logRecord;
  try {
    const message = await jsm.streams.getMessage(`KV_${name}`, {
      last_by_subj: `$KV.${name}.${LOG_RECORD_KEY}`,
    });
    return message?.string();
  } catch (cause) {
    if (isStreamNotFound(cause) || isMessageNotFound(cause)) return undefined;
    throw cause;
  }
}

function fileText(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined);
}

function parsed(text: string): LogRecord | undefined {
  try {
    return recordSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Writes the record of the log, and its copy in the file. Each write replaces the previous record. */
export class LogRecordWriter {
  readonly #bucket: Bucket;
  readonly #file: string | undefined;

  constructor({ bus, storage = {}, file }: LogRecordPlace) {
    this.#bucket = new Bucket(bus, BUCKETS.logRecord, storage, { timeout: CALL_TIMEOUT_MS });
    this.#file = file;
  }

  async write(record: LogRecord): Promise<void> {
    const text = JSON.stringify(record);
    await this.#bucket.use((kv) => kv.put(LOG_RECORD_KEY, text));
    if (this.#file === undefined) return;
    const draft = `${this.#file}.${randomUUID()}`;
    await writeFile(draft, `${text}\n`, { mode: 0o600 });
    await rename(draft, this.#file);
  }

  /** Deletes the record and its copy, so that the next start may create an empty log. */
  async remove(): Promise<void> {
    await this.#bucket.use((kv) => kv.purge(LOG_RECORD_KEY));
    if (this.#file !== undefined) await rm(this.#file, { force: true });
  }
}
