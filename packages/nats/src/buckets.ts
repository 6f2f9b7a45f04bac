/**
 * KV buckets. A bucket is opened at its first use, and created again after a deletion. A bucket has as many copies as
 * the log: with fewer copies, the death of one server could lose the leases and the first outcomes of commands.
 */
import type { JetStreamOptions } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { Bus } from "./bus.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import { isGone } from "./server-codes.ts";
import { type BucketDeclaration, bucketStream, type StorageSettings } from "./storage.ts";
import { ensureStream } from "./streams.ts";

/**
 * Longest wait for each answer of the server while a missing bucket is created again, ms. The wait is short, because a
 * cluster without a leader does not answer. The caller's own retry is then better than a longer wait.
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

  /** Opens the bucket. Creates an absent bucket, and corrects settings that differ from the bucket's declaration. */
  async open(): Promise<void> {
    await this.#opened();
  }

  /**
   * Calls `work` with the bucket. When the bucket is gone, creates an empty one and calls `work` once more. Throws the
   * error of `work`, or the error of the first opening of the bucket.
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
