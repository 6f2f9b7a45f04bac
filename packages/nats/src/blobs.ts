/**
 * Blobs in a stream of their own, one message each: stored whole or not at all, and purged without a trace.
 *
 * Not the client's object store, nor a KV bucket: both keep a mark of everything ever deleted, which here is a state per guest and
 * minute, and the object store leaves the chunks of a put that was cut short where nobody finds them (docs/adr/0010-guest-state.md).
 */
import { hash } from "node:crypto";
import { BLOB_SUBJECTS, blobName, blobSubject, GUEST_STATE_STREAM } from "@bioxen/contracts";
import {
  type BlobName,
  type BlobReading,
  type BlobStore,
  Fault,
  MAX_BLOB_BYTES,
  messageOf,
} from "@bioxen/kernel";
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { isMessageNotFound } from "./server-codes.ts";

/** Longest wait for one acknowledgement, ms: the largest blob on a slow disk takes a tenth. */
const ACK_TIMEOUT_MS = 4_000;
/** Tries of one call; a put that was stored and not acknowledged is stored again as the same. */
const ATTEMPTS = 2;

/** The stream is declared with the others and is there once the log was opened. */
export async function openBlobs(bus: Bus): Promise<BlobStore> {
  return new JetStreamBlobs(jetstream(bus.connection), await jetstreamManager(bus.connection));
}

class JetStreamBlobs implements BlobStore {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;

  constructor(js: JetStreamClient, jsm: JetStreamManager) {
    this.#js = js;
    this.#jsm = jsm;
  }

  async put(name: BlobName, bytes: Uint8Array): Promise<void> {
    if (bytes.length > MAX_BLOB_BYTES) {
      throw new Fault("TOO_LARGE", `${name}: ${bytes.length} bytes are over ${MAX_BLOB_BYTES}`, {
        retryable: false,
        details: { bytes: bytes.length, limitBytes: MAX_BLOB_BYTES },
      });
    }
    const options = { expect: { streamName: GUEST_STATE_STREAM }, timeout: ACK_TIMEOUT_MS };
    await reached(() => this.#js.publish(blobSubject(name), bytes, options));
  }

  async get(name: BlobName, sha256: string): Promise<BlobReading> {
    const message = await this.#message(name);
    if (message === undefined) return { kind: "absent" };
    if (hash("sha256", message.data, "hex") !== sha256) return { kind: "damaged" };
    // What comes directly is a Buffer: a view of something larger, and not equal to the same bytes.
    return { kind: "whole", bytes: Uint8Array.from(message.data) };
  }

  async delete(name: BlobName): Promise<void> {
    await reached(() => this.#jsm.streams.purge(GUEST_STATE_STREAM, { filter: blobSubject(name) }));
  }

  async list(): Promise<readonly BlobName[]> {
    const { state } = await reached(() =>
      this.#jsm.streams.info(GUEST_STATE_STREAM, { subjects_filter: BLOB_SUBJECTS }),
    );
    return Object.keys(state.subjects ?? {}).map(blobName);
  }

  async storedAtMs(name: BlobName): Promise<number | undefined> {
    return (await this.#message(name))?.time.getTime();
  }

  /** A follower of a cluster answers first, and may not have heard of it yet; the leader has. */
  async #message(name: BlobName): Promise<StoredMsg | undefined> {
    const query = { last_by_subj: blobSubject(name) };
    const found = await reached(() => foundOrNot(this.#jsm.direct.getMessage(GUEST_STATE_STREAM, query)));
    return found ?? reached(() => foundOrNot(this.#jsm.streams.getMessage(GUEST_STATE_STREAM, query)));
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

async function reached<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (cause) {
      if (attempt < ATTEMPTS) continue;
      throw new Fault("UNAVAILABLE", `states of guests cannot be reached: ${messageOf(cause)}`, {
        retryable: true,
        cause,
      });
    }
  }
}
