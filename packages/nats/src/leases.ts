/**
 * The records of leases in a KV bucket: one key a name, every write conditional on the revision.
 *
 * Records have no lifetime: a holder that is gone is known by a revision that stands still, and its token must be there for the
 * next one to be greater. A bucket that was lost is made again by whoever needs it next.
 */
import { Fault, type LeaseRecord, type LeaseStore, messageOf, type StoredLease } from "@bioxen/kernel";
import type { KV } from "@nats-io/kv";
import { openBucket } from "./buckets.ts";
import type { Bus } from "./bus.ts";
import { isWrongLastSequence } from "./server-codes.ts";

export const LEASE_BUCKET = "bioxen-leases";
/** Longest wait for the server, ms: a holder must learn early enough that it cannot renew, and try again. */
const CALL_TIMEOUT_MS = 800;

export class KvLeaseStore implements LeaseStore {
  readonly #bus: Bus;
  readonly #replicas: number;
  #bucket: Promise<KV> | undefined;

  constructor(bus: Bus, replicas = 1) {
    this.#bus = bus;
    this.#replicas = replicas;
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
      this.#bucket ??= this.#open();
      return await work(await this.#bucket);
    } catch (cause) {
      this.#bucket = undefined;
      throw new Fault("UNAVAILABLE", `leases cannot be reached: ${messageOf(cause)}`, {
        retryable: true,
        cause,
      });
    }
  }

  #open(): Promise<KV> {
    const options = {
      replicas: this.#replicas,
      description: "Who acts for each service; see docs/adr/0005-leases.md",
    };
    return openBucket(this.#bus, LEASE_BUCKET, options, { timeout: CALL_TIMEOUT_MS });
  }
}

/** What is no record is nobody's: it is taken and written anew. */
function recordOf(text: string): LeaseRecord {
  try {
    const { holder, token } = JSON.parse(text) as Partial<LeaseRecord>;
    if (typeof holder === "string" && Number.isSafeInteger(token)) return { holder, token: Number(token) };
    return { holder: null, token: Number.isSafeInteger(token) ? Number(token) : 0 };
  } catch {
    return { holder: null, token: 0 };
  }
}
