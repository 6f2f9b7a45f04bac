/**
 * KV buckets that are opened at their first use, and again when they were deleted. They have as many copies as the log:
 * without them the death of one server would lose the leases and the first outcomes of commands.
 */
import type { JetStreamOptions } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { Bus } from "./bus.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isGone } from "./server-codes.ts";
import { type BucketDeclaration, bucketStream, type StorageSettings } from "./storage.ts";
import { ensureStream } from "./streams.ts";

/**
 * Longest wait for one answer when a bucket seems to be gone, ms. A cluster without a leader answers nothing, and the
 * caller's own retry is then better than this wait.
 */
const REOPEN_TIMEOUT_MS = 500;

export class Bucket {
  readonly #bus: Bus;
  readonly #declaration: BucketDeclaration;
  readonly #storage: StorageSettings;
  readonly #calls: JetStreamOptions;
  #kv: Promise<KV> | undefined;

  constructor(
    bus: Bus,
    declaration: BucketDeclaration,
    storage: StorageSettings,
    calls: JetStreamOptions = {},
  ) {
    this.#bus = bus;
    this.#declaration = declaration;
    this.#storage = storage;
    this.#calls = calls;
  }

  /** Opens the bucket, creates it when it is absent, and repairs its drift. */
  async open(): Promise<void> {
    await this.#opened();
  }

  /**
   * Calls `work` with the bucket. When the bucket is gone, creates it again, empty, and calls `work` once more. Throws
   * what `work` throws, and what the server answers when the bucket cannot be opened.
   */
  async use<T>(work: (bucket: KV) => Promise<T>): Promise<T> {
    const kv = await this.#opened();
    try {
      return await work(kv);
    } catch (cause) {
      if (!isGone(cause)) throw cause;
      await this.#ensure({ timeout: REOPEN_TIMEOUT_MS }).catch(() => {
        throw cause;
      });
      return await work(kv);
    }
  }

  #opened(): Promise<KV> {
    if (this.#kv !== undefined) return this.#kv;
    const opening = this.#ensure(this.#calls).then(() => {
      const kvm = new Kvm(jetStreamOf(this.#bus, this.#calls));
      return kvm.open(this.#declaration.name, { allow_direct: true });
    });
    this.#kv = opening;
    opening.catch(() => {
      this.#kv = undefined;
    });
    return opening;
  }

  async #ensure(calls: JetStreamOptions): Promise<void> {
    const jsm = await streamManagerOf(this.#bus, calls);
    await ensureStream(this.#bus, jsm, bucketStream(this.#declaration), this.#storage);
  }
}
