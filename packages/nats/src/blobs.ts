/**
 * Blobs in a stream of their own, one message each: stored completely or not at all, and deleted without a trace.
 *
 * The NATS client's object store and a KV bucket are unsuitable, because both keep a marker of every deleted key. Every
 * guest would add one marker a minute. The object store also leaves the chunks of an interrupted put behind
 * (docs/adr/0010-guest-state.md).
 */
import { hash } from "node:crypto";
import {
  BLOB_SUBJECTS,
  blobName,
  blobSubject,
  GUEST_STATE_STREAM,
  GUEST_STATE_STREAM_CONFIG,
} from "@bioxen/contracts";
import {
  type BlobName,
  type BlobReading,
  type BlobStore,
  Fault,
  MAX_BLOB_BYTES,
  messageOf,
} from "@bioxen/kernel";
import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isGone, isMessageNotFound } from "./server-codes.ts";
import type { StorageSettings } from "./storage.ts";
import { ensureStream } from "./streams.ts";

/** Longest wait for one acknowledgement, ms: the largest blob on a slow disk takes a tenth of this time. */
const ACK_TIMEOUT_MS = 4_000;
/** Maximum number of tries of one call. A put is idempotent, so it may be repeated after a lost acknowledgement. */
const ATTEMPTS = 2;

/**
 * Opens the store of blobs. The stream of the store must exist; opening the event log creates it. When the stream is
 * deleted later, the next call of the store creates an empty one.
 */
export async function openBlobs(bus: Bus, storage: StorageSettings = {}): Promise<BlobStore> {
  const jsm = await streamManagerOf(bus);
  const restore = () => ensureStream(bus, jsm, GUEST_STATE_STREAM_CONFIG, storage);
  return new JetStreamBlobs(jetStreamOf(bus), jsm, restore);
}

class JetStreamBlobs implements BlobStore {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #restore: () => Promise<void>;

  constructor(js: JetStreamClient, jsm: JetStreamManager, restore: () => Promise<void>) {
    this.#js = js;
    this.#jsm = jsm;
    this.#restore = restore;
  }

  async put(name: BlobName, bytes: Uint8Array): Promise<void> {
    if (bytes.length > MAX_BLOB_BYTES) {
      throw new Fault("TOO_LARGE", `blob ${name} has ${bytes.length} bytes: the limit is ${MAX_BLOB_BYTES}`, {
        retryable: false,
        details: { bytes: bytes.length, limitBytes: MAX_BLOB_BYTES },
      });
    }
    const options = { expect: { streamName: GUEST_STATE_STREAM }, timeout: ACK_TIMEOUT_MS };
    await this.#retried(() => this.#js.publish(blobSubject(name), bytes, options));
  }

  async get(name: BlobName, sha256: string): Promise<BlobReading> {
    const message = await this.#message(name);
    if (message === undefined) return { kind: "absent" };
    if (hash("sha256", message.data, "hex") !== sha256) return { kind: "damaged" };
    // The client returns a Buffer, which is a view of a larger buffer. Callers get a plain Uint8Array of their own.
    return { kind: "whole", bytes: Uint8Array.from(message.data) };
  }

  async delete(name: BlobName): Promise<void> {
    await this.#retried(() => this.#jsm.streams.purge(GUEST_STATE_STREAM, { filter: blobSubject(name) }));
  }

  async list(): Promise<readonly BlobName[]> {
    const { state } = await this.#retried(() =>
      this.#jsm.streams.info(GUEST_STATE_STREAM, { subjects_filter: BLOB_SUBJECTS }),
    );
    return Object.keys(state.subjects ?? {}).map(blobName);
  }

  async storedAtMs(name: BlobName): Promise<number | undefined> {
    return (await this.#message(name))?.time.getTime();
  }

  /**
   * Reads the message of a blob; resolves with undefined when the blob is absent. Asks any server of the cluster first,
   * and then the leader, because a follower may not have the blob yet.
   */
  async #message(name: BlobName): Promise<StoredMsg | undefined> {
    const query = { last_by_subj: blobSubject(name) };
    const found = await this.#retried(() =>
      foundOrNot(this.#jsm.direct.getMessage(GUEST_STATE_STREAM, query)),
    );
    return found ?? this.#retried(() => foundOrNot(this.#jsm.streams.getMessage(GUEST_STATE_STREAM, query)));
  }

  async #retried<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (cause) {
        if (isGone(cause)) await this.#restore().catch(() => undefined);
        if (attempt < ATTEMPTS) continue;
        throw new Fault("UNAVAILABLE", `the store of guest states is unreachable: ${messageOf(cause)}`, {
          retryable: true,
          cause,
        });
      }
    }
  }
}

async function foundOrNot(message: Promise<StoredMsg | null>): Promise<StoredMsg | undefined> {
  try {
    return (await message) ?? undefined;
  } catch (cause) {
    if (isMessageNotFound(cause)) return undefined;
    throw cause;
  }
}
