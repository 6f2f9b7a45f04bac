/**
 * Blobs in a stream of their own. A reader compares the digest of what it reads with the one that the log states.
 */
import { hash } from "node:crypto";
import { BLOB_SUBJECTS, blobName, blobSubject, GUEST_STATE_STREAM_CONFIG } from "@bioxen/contracts";
import { type BlobName, type BlobReading, type BlobStore, MAX_BLOB_BYTES } from "@bioxen/kernel";
import type { Bus } from "./bus.ts";
import type { StorageSettings } from "./storage.ts";
import { bytesOf, StreamObjects } from "./stream-objects.ts";

/** Opens the store of blobs. */
export async function openBlobs(bus: Bus, storage: StorageSettings = {}): Promise<BlobStore> {
  const objects = await StreamObjects.open(bus, {
    stream: GUEST_STATE_STREAM_CONFIG,
    maxBytes: MAX_BLOB_BYTES,
    words: { object: "blob", store: "the store of guest states" },
    storage,
  });
  return new JetStreamBlobs(objects);
}

class JetStreamBlobs implements BlobStore {
  readonly #objects: StreamObjects;

  constructor(objects: StreamObjects) {
    this.#objects = objects;
  }

  put(name: BlobName, bytes: Uint8Array): Promise<void> {
    return this.#objects.put(blobSubject(name), bytes, name);
  }

  async get(name: BlobName, sha256: string): Promise<BlobReading> {
    const message = await this.#objects.message(blobSubject(name));
    if (message === undefined) return { kind: "absent" };
    if (hash("sha256", message.data, "hex") !== sha256) return { kind: "damaged" };
    return { kind: "whole", bytes: bytesOf(message) };
  }

  delete(name: BlobName): Promise<void> {
    return this.#objects.delete(blobSubject(name));
  }

  async list(): Promise<readonly BlobName[]> {
    return (await this.#objects.subjects(BLOB_SUBJECTS)).map(blobName);
  }

  async storedAtMs(name: BlobName): Promise<number | undefined> {
    return (await this.#objects.message(blobSubject(name)))?.time.getTime();
  }
}
