/**
 * A blob store in memory. It passes the same `blobStoreContract` as the store on JetStream.
 */
import { hash } from "node:crypto";
import {
  type BlobName,
  type BlobReading,
  type BlobStore,
  type Clock,
  Fault,
  MAX_BLOB_BYTES,
} from "@bioxen/kernel";

export class MemoryBlobs implements BlobStore {
  readonly #clock: Clock;
  readonly #blobs = new Map<BlobName, { readonly bytes: Uint8Array; readonly atMs: number }>();

  constructor(clock: Clock = { nowMs: () => Date.now() }) {
    this.#clock = clock;
  }

  /** Replaces the bytes of a blob with wrong bytes, as a disk error can. */
  damage(name: BlobName): void {
    this.#blobs.set(name, { bytes: new Uint8Array([0]), atMs: this.#clock.nowMs() });
  }

  async put(name: BlobName, bytes: Uint8Array): Promise<void> {
    if (bytes.length > MAX_BLOB_BYTES) {
      throw new Fault("TOO_LARGE", `blob ${name} has ${bytes.length} bytes: the limit is ${MAX_BLOB_BYTES}`, {
        retryable: false,
      });
    }
    this.#blobs.set(name, { bytes: Uint8Array.from(bytes), atMs: this.#clock.nowMs() });
  }

  async get(name: BlobName, sha256: string): Promise<BlobReading> {
    const blob = this.#blobs.get(name);
    if (blob === undefined) return { kind: "absent" };
    if (hash("sha256", blob.bytes, "hex") !== sha256) return { kind: "damaged" };
    return { kind: "whole", bytes: Uint8Array.from(blob.bytes) };
  }

  async delete(name: BlobName): Promise<void> {
    this.#blobs.delete(name);
  }

  async list(): Promise<readonly BlobName[]> {
    return [...this.#blobs.keys()];
  }

  async storedAtMs(name: BlobName): Promise<number | undefined> {
    return this.#blobs.get(name)?.atMs;
  }
}
