/**
 * The records of leases in memory: the twin of the ones in a KV bucket, held to it by `leasesContract`; and a way to it
 * that can be cut or lose acknowledgements.
 */
import { Fault, type LeaseRecord, type LeaseStore, type StoredLease } from "@bioxen/kernel";

export class MemoryLeaseStore implements LeaseStore {
  readonly #records = new Map<string, StoredLease>();
  #revision = 0;

  async read(name: string): Promise<StoredLease | undefined> {
    return this.#records.get(name);
  }

  async write(name: string, { holder, token }: LeaseRecord, revision: number): Promise<number | undefined> {
    if ((this.#records.get(name)?.revision ?? 0) !== revision) return undefined;
    this.#revision += 1;
    this.#records.set(name, { holder, token, revision: this.#revision });
    return this.#revision;
  }

  /** As if the store had been lost. */
  forget(): void {
    this.#records.clear();
  }
}

/** One contender's way to a shared store. */
export class LeaseStorePath implements LeaseStore {
  readonly #store: LeaseStore;
  #cut = false;
  #acksToLose = 0;

  constructor(store: LeaseStore) {
    this.#store = store;
  }

  /** While cut, nothing arrives there. */
  setCut(cut: boolean): void {
    this.#cut = cut;
  }

  /** The next `count` writes are stored, and their writer never learns it. */
  loseAcks(count: number): void {
    this.#acksToLose = count;
  }

  async read(name: string): Promise<StoredLease | undefined> {
    this.#requireWay();
    return this.#store.read(name);
  }

  async write(name: string, record: LeaseRecord, revision: number): Promise<number | undefined> {
    this.#requireWay();
    const written = await this.#store.write(name, record, revision);
    if (this.#acksToLose === 0) return written;
    this.#acksToLose -= 1;
    throw new Fault("UNAVAILABLE", "the acknowledgement was lost", { retryable: true });
  }

  #requireWay(): void {
    if (this.#cut) throw new Fault("UNAVAILABLE", "the lease store is cut off", { retryable: true });
  }
}
