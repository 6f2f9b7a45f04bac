/**
 * Named bytes that are too large for an event: the event names them, with their digest, and the log stays the truth.
 *
 * A name is used for one content only, so nobody has to ask which version it reads: what changes gets another name. So
 * putting is safe to repeat, and whoever deletes can be late. A reader says which digest it expects; what is not there or is
 * something else is an answer, not a fault, because the reader has to go on without it.
 */

/** Bytes of one blob: with its headers it fits a server's default limit of 1 MiB for a message. */
export const MAX_BLOB_BYTES = 786_432;

export type BlobReading =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "absent" }
  /** Not the bytes with this digest. */
  | { readonly kind: "damaged" };

/** Throws `Fault` UNAVAILABLE (retryable) when the store cannot be reached within the adapter's deadline. */
export interface BlobStore {
  /** Also `Fault` TOO_LARGE above {@link MAX_BLOB_BYTES}. */
  put(name: BlobName, bytes: Uint8Array): Promise<void>;
  /** `sha256` in hexadecimal. */
  get(name: BlobName, sha256: string): Promise<BlobReading>;
  /** Nothing is left of it; one that is not there is deleted already. */
  delete(name: BlobName): Promise<void>;
  /** Names of all, in no order. */
  list(): Promise<readonly BlobName[]>;
  /** When it was put, epoch ms of the store's clock; undefined when it is not there. */
  storedAtMs(name: BlobName): Promise<number | undefined>;
}

/** Two ids: whose it is, and which. */
export type BlobName = `${string}.${string}`;
