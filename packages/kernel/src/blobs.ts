/**
 * Blobs: named bytes that are too large for an event. The event has their name and digest, so that the log remains the
 * only source of truth.
 *
 * A name stands for one content only: changed bytes get another name. A put is therefore idempotent, and a late delete
 * never removes newer content. A reader states the digest that it expects. Absent or different bytes are a result and
 * not a `Fault`, because the reader must continue without them.
 */

/** Largest blob, bytes: with its headers it fits the server's default limit of 1 MiB for a message. */
export const MAX_BLOB_BYTES = 786_432;

export type BlobReading =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "absent" }
  /** The digest of the stored bytes differs from the expected one. */
  | { readonly kind: "damaged" };

/** Every method throws `Fault` UNAVAILABLE (retryable) when the store is unreachable within the adapter's deadline. */
export interface BlobStore {
  /** Stores the bytes under the name. Also throws `Fault` TOO_LARGE above {@link MAX_BLOB_BYTES}. */
  put(name: BlobName, bytes: Uint8Array): Promise<void>;
  /** Reads the bytes and compares their digest with `sha256`, in hexadecimal. */
  get(name: BlobName, sha256: string): Promise<BlobReading>;
  /** Deletes the bytes and leaves no trace of them. Idempotent. */
  delete(name: BlobName): Promise<void>;
  /** Returns all names, unsorted. */
  list(): Promise<readonly BlobName[]>;
  /** Returns the instant of the put, epoch ms of the store's clock; undefined when the blob is absent. */
  storedAtMs(name: BlobName): Promise<number | undefined>;
}

/** The id of the blob's owner and the id of the blob, joined by a dot. */
export type BlobName = `${string}.${string}`;
