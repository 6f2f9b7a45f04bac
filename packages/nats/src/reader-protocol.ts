/**
 * The messages between the thread that reads a long log and the thread that folds it.
 *
 * Bytes travel in batches whose buffers are transferred, not copied. The folding side reports the number of applied
 * events, and the reading side requests only that many more. However slow the folds are, at most {@link READ_WINDOW}
 * events wait in memory to be folded.
 */
import { hash } from "node:crypto";
import type { BusOptions } from "./dial.ts";

/** Maximum number of events in flight between server and fold: about 4 MB. */
export const READ_WINDOW = 8_192;
/**
 * Number of events per request to the server. Smaller requests would cost the server a sixth more work for each event.
 */
export const PULL_EVENTS = READ_WINDOW / 4;
/**
 * Number of events in a full batch. Smaller batches cost more transfers. Larger ones block the event loop of the
 * folding side for more than a few ms, and each of their buffers (500 bytes an event) is large enough to need its own
 * allocation by the system.
 */
export const BATCH_EVENTS = 200;

/** Length of a SHA-256 digest, bytes. */
const DIGEST_BYTES = 32;

export interface ReaderData {
  readonly bus: BusOptions;
  readonly stream: string;
  /** The consumer to read from. It starts at the first wanted event and needs no acknowledgements. */
  readonly consumer: string;
  /** Sequence of the last event to read. The stream must contain it. */
  readonly untilSeq: number;
}

/** Messages in order of their sequence. */
export interface ReadBatch {
  /** Stream sequence of each message. */
  readonly seqs: Float64Array<ArrayBuffer>;
  /** For each message, the offset in `bytes` just after its last byte. */
  readonly ends: Uint32Array<ArrayBuffer>;
  /** The payloads of all messages, concatenated. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The subjects of all messages, separated by spaces; a subject contains none. */
  readonly subjects: string;
  /** SHA-256 of each payload, {@link DIGEST_BYTES} bytes each. The reading thread computes them for the main thread. */
  readonly digests: Uint8Array<ArrayBuffer>;
}

/** A message from the reading thread. No message follows `read` or `failed`. */
export type FromReader =
  | { readonly kind: "batch"; readonly batch: ReadBatch }
  | { readonly kind: "read" }
  | { readonly kind: "failed"; readonly why: string };

/**
 * A message to the reading thread. `applied`: this number of further events has been folded. `stop`: the thread should
 * end, because the remaining events are not wanted.
 */
export type ToReader = { readonly kind: "applied"; readonly events: number } | { readonly kind: "stop" };

interface ReadMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
}

export function pack(messages: readonly ReadMessage[]): ReadBatch {
  const size = messages.reduce((sum, { data }) => sum + data.length, 0);
  const seqs = new Float64Array(messages.length);
  const ends = new Uint32Array(messages.length);
  const bytes = new Uint8Array(size);
  const digests = new Uint8Array(messages.length * DIGEST_BYTES);
  let end = 0;
  let i = 0;
  for (const { seq, data } of messages) {
    bytes.set(data, end);
    end += data.length;
    seqs[i] = seq;
    ends[i] = end;
    digests.set(hash("sha256", data, "buffer"), i * DIGEST_BYTES);
    i += 1;
  }
  return { seqs, ends, bytes, digests, subjects: messages.map(({ subject }) => subject).join(" ") };
}

/**
 * Calls `each` for every message of the batch. The bytes that it passes are a view of the batch's buffer, not a copy.
 * `digest` is hexadecimal.
 */
export function unpack(
  { seqs, ends, bytes, subjects, digests }: ReadBatch,
  each: (bytes: Uint8Array, seq: number, subject: string, digest: string) => void,
): void {
  const names = subjects.split(" ");
  const all = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength);
  let start = 0;
  for (let i = 0; i < seqs.length; i += 1) {
    const end = ends[i] ?? start;
    const digest = all.toString("hex", i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES);
    each(bytes.subarray(start, end), seqs[i] ?? 0, names[i] ?? "", digest);
    start = end;
  }
}
