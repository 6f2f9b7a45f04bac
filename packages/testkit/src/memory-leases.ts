/**
 * Two test doubles for leases: a lease store in memory, which passes the same `leasesContract` as the KV bucket,
 * and a connection that can be put in front of any lease store. A test can cut the connection or make it lose
 * acknowledgements.
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

  /** Deletes every record, as if the store were lost. */
  forget(): void {
    this.#records.clear();
  }
}

/** The connection of one contender for a lease to the lease store that all contenders share. */
export class LeaseStorePath implements LeaseStore {
  readonly #store: LeaseStore;
  #cut = false;
  #acksToLose = 0;

  constructor(store: LeaseStore) {
    this.#store = store;
  }

  /**
   * Cuts the connection (true) or restores it (false). While it is cut, every read and write fails with UNAVAILABLE.
   */
  setCut(cut: boolean): void {
    this.#cut = cut;
  }

  /**
   * Loses the acknowledgements of the next `count` writes: the store has the record, but the caller gets UNAVAILABLE.
   */
  loseAcks(count: number): void {
    this.#acksToLose = count;
  }

  async read(name: string): Promise<StoredLease | undefined> {
    this.#requireConnection();
    return this.#store.read(name);
  }

  async write(name: string, record: LeaseRecord, revision: number): Promise<number | undefined> {
    this.#requireConnection();
    const written = await this.#store.write(name, record, revision);
    if (this.#acksToLose === 0) return written;
    this.#acksToLose -= 1;
    throw new Fault("UNAVAILABLE", "the acknowledgement was lost", { retryable: true });
  }

  #requireConnection(): void {
    if (this.#cut) throw new Fault("UNAVAILABLE", "the lease store is unreachable", { retryable: true });
  }
}
