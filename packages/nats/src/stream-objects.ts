/**
 * Objects in a stream, one message each: stored completely or not at all, and deleted without a trace. The subject of
 * the message is the name of the object, so the list of the subjects is the index of the store.
 *
 * The NATS client's object store and a KV bucket are unsuitable, because both keep a marker of every deleted key. The
 * object store also leaves the chunks of an interrupted put behind (docs/adr/0010-guest-state.md).
 */
import type { StreamDeclaration } from "@bioxen/contracts";
import { Fault, messageOf } from "@bioxen/kernel";
import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isGone, isMessageNotFound } from "./server-codes.ts";
import type { StorageSettings } from "./storage.ts";
import { ensureStream } from "./streams.ts";

/** Longest wait for one acknowledgement, ms: the largest object on a slow disk takes a tenth of this time. */
const ACK_TIMEOUT_MS = 4_000;
/** Maximum number of tries of one call. A put is idempotent, so it may be repeated after a lost acknowledgement. */
const ATTEMPTS = 2;

export interface StreamObjectsOptions {
  readonly stream: StreamDeclaration;
  /** Largest object, bytes. */
  readonly maxBytes: number;
  /** Words for messages: one object ("blob"), and the store ("the store of guest states"). */
  readonly words: { readonly object: string; readonly store: string };
  readonly storage: StorageSettings;
}

/**
 * A store of objects in a stream. The stream must exist; opening the event log creates it. When the stream is deleted
 * later, the next call creates an empty one. Every method throws `Fault` UNAVAILABLE (retryable) when the server is
 * unreachable.
 */
export class StreamObjects {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #restore: () => Promise<void>;
  readonly #stream: string;
  readonly #maxBytes: number;
  readonly #words: StreamObjectsOptions["words"];

  static async open(bus: Bus, options: StreamObjectsOptions): Promise<StreamObjects> {
    return new StreamObjects(bus, await streamManagerOf(bus), options);
  }

  private constructor(bus: Bus, jsm: JetStreamManager, options: StreamObjectsOptions) {
    const { stream, maxBytes, words, storage } = options;
    this.#js = jetStreamOf(bus);
    this.#jsm = jsm;
    this.#restore = () => ensureStream(bus, jsm, stream, storage);
    this.#stream = stream.name;
    this.#maxBytes = maxBytes;
    this.#words = words;
  }

  /** Stores the object; throws `Fault` TOO_LARGE beyond the limit, where `name` is the object in the message. */
  async put(subject: string, bytes: Uint8Array, name: string = subject): Promise<void> {
    if (bytes.length > this.#maxBytes) {
      const size = `${bytes.length} bytes: the limit is ${this.#maxBytes}`;
      throw new Fault("TOO_LARGE", `${this.#words.object} ${name} has ${size}`, {
        retryable: false,
        details: { bytes: bytes.length, limitBytes: this.#maxBytes },
      });
    }
    const options = { expect: { streamName: this.#stream }, timeout: ACK_TIMEOUT_MS };
    await this.#retried(() => this.#js.publish(subject, bytes, options));
  }

  /**
   * Reads the message of an object; resolves with undefined when the object is absent. Asks any server of the cluster
   * first, and then the leader, because a follower may not have the object yet.
   */
  async message(subject: string): Promise<StoredMsg | undefined> {
    const query = { last_by_subj: subject };
    const found = await this.#retried(() => foundOrNot(this.#jsm.direct.getMessage(this.#stream, query)));
    return found ?? this.#retried(() => foundOrNot(this.#jsm.streams.getMessage(this.#stream, query)));
  }

  /** Returns the subjects of all objects that match the filter, unsorted. */
  async subjects(filter: string): Promise<string[]> {
    const { state } = await this.#retried(() =>
      this.#jsm.streams.info(this.#stream, { subjects_filter: filter }),
    );
    return Object.keys(state.subjects ?? {});
  }

  /** Deletes all objects that match the filter. Idempotent. */
  async delete(filter: string): Promise<void> {
    await this.#retried(() => this.#jsm.streams.purge(this.#stream, { filter }));
  }

  async #retried<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (cause) {
        if (isGone(cause)) await this.#restore().catch(() => undefined);
        if (attempt < ATTEMPTS) continue;
        throw new Fault("UNAVAILABLE", `${this.#words.store} is unreachable: ${messageOf(cause)}`, {
          retryable: true,
          cause,
        });
      }
    }
  }
}

/** The bytes of a message. The client returns a view of a larger buffer; callers get a plain array of their own. */
export function bytesOf({ data }: StoredMsg): Uint8Array {
  return Uint8Array.from(data);
}

async function foundOrNot(message: Promise<StoredMsg | null>): Promise<StoredMsg | undefined> {
  try {
    return (await message) ?? undefined;
  } catch (cause) {
    if (isMessageNotFound(cause)) return undefined;
    throw cause;
  }
}
