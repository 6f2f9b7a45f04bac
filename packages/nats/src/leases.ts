/**
 * Stores the records of leases in a KV bucket, one key per lease. Every write names the revision that it replaces, and
 * fails when the key has another revision.
 *
 * Records never expire, because the token of the next holder must be greater than the stored one. A contender
 * recognises a dead holder by a record whose revision does not change. A lost bucket is created again at its next use.
 */
import { Fault, type LeaseRecord, type LeaseStore, messageOf, type StoredLease } from "@bioxen/kernel";
import type { KV } from "@nats-io/kv";
import { Bucket } from "./buckets.ts";
import type { Bus } from "./bus.ts";
import { isWrongLastSequence } from "./server-codes.ts";
import { BUCKETS, type StorageSettings } from "./storage.ts";

/**
 * Longest wait for one answer of the server, ms. This wait is short, so that a holder still has time for another try
 * after a failed renewal.
 */
const CALL_TIMEOUT_MS = 800;

export class KvLeaseStore implements LeaseStore {
  readonly #bucket: Bucket;

  constructor(bus: Bus, storage: StorageSettings = {}) {
    this.#bucket = new Bucket(bus, BUCKETS.leases, storage, { timeout: CALL_TIMEOUT_MS });
  }

  async read(name: string): Promise<StoredLease | undefined> {
    const entry = await this.#reach((bucket) => bucket.get(name));
    if (entry === null || entry.operation !== "PUT") return undefined;
    return { ...recordOf(entry.string()), revision: entry.revision };
  }

  async write(name: string, record: LeaseRecord, revision: number): Promise<number | undefined> {
    const text = JSON.stringify(record);
    return this.#reach(async (bucket) => {
      try {
        return await (revision === 0 ? bucket.create(name, text) : bucket.update(name, text, revision));
      } catch (cause) {
        if (isWrongLastSequence(cause)) return undefined;
        throw cause;
      }
    });
  }

  async #reach<T>(work: (bucket: KV) => Promise<T>): Promise<T> {
    try {
      return await this.#bucket.use(work);
    } catch (cause) {
      throw new Fault("UNAVAILABLE", `the store of leases is unreachable: ${messageOf(cause)}`, {
        retryable: true,
        cause,
      });
    }
  }
}

/** Parses a lease record. A malformed record counts as a released lease, which a contender can replace. */
function recordOf(text: string): LeaseRecord {
  try {
    const { holder, token } = JSON.parse(text) as Partial<LeaseRecord>;
    if (typeof holder === "string" && Number.isSafeInteger(token)) return { holder, token: Number(token) };
    return { holder: null, token: Number.isSafeInteger(token) ? Number(token) : 0 };
  } catch {
    return { holder: null, token: 0 };
  }
}
