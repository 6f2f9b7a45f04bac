/**
 * A snapshot store in memory. It passes the same `snapshotStoreContract` as the KV bucket.
 */
import { Fault, type Snapshot, type SnapshotHead, type SnapshotStore } from "@bioxen/kernel";

export class MemorySnapshots implements SnapshotStore {
  #newest: Snapshot | undefined;
  #away = false;

  /** Makes the store unreachable or reachable again. While it is unreachable, every call fails with UNAVAILABLE. */
  setAway(away: boolean): void {
    this.#away = away;
  }

  clear(): void {
    this.#newest = undefined;
  }

  async newest(): Promise<Snapshot | undefined> {
    this.#requireHere();
    return this.#newest;
  }

  async newestHead(): Promise<SnapshotHead | undefined> {
    this.#requireHere();
    return this.#newest?.head;
  }

  async save(head: SnapshotHead, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.#requireHere();
    const before = this.#newest;
    const kept: Uint8Array[] = [];
    for await (const chunk of chunks) kept.push(chunk);
    if (this.#newest !== before) {
      throw new Fault("CONFLICT", "another snapshot was written meanwhile", { retryable: false });
    }
    this.#newest = { head, chunks: kept };
  }

  #requireHere(): void {
    if (this.#away) throw new Fault("UNAVAILABLE", "the snapshot store is unreachable", { retryable: true });
  }
}
