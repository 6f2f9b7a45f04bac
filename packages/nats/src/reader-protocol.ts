/**
 * What the thread that reads a long log and the one that folds it say to each other.
 *
 * Bytes travel in batches whose buffers change hands instead of being copied. The folding side gives back what it has applied,
 * event by event counted, and the reading side asks the server for no more than was given back: however slow the folds
 * are, no more than {@link READ_WINDOW} events are in memory beside them.
 */
import type { BusOptions } from "./dial.ts";

/** Events on their way at once, from the server to the fold: some 4 MB of what services write. */
export const READ_WINDOW = 8_192;
/** The server is asked for so many at once: in smaller portions it works a sixth more for each event. */
export const PULL_EVENTS = READ_WINDOW / 4;
/**
 * Events in a full batch. Smaller ones cost more hand-overs; larger ones are more than some ms of the folding side's event
 * loop, and their buffers (500 bytes an event) so large that each is fetched from the system anew.
 */
export const BATCH_EVENTS = 200;

export interface ReaderData {
  readonly bus: BusOptions;
  readonly stream: string;
  /** The consumer to read from. It begins at the first event wanted, and acknowledges nothing. */
  readonly consumer: string;
  /** Last sequence wanted; the stream has it. */
  readonly untilSeq: number;
}

/** Messages in order of sequence. */
export interface ReadBatch {
  /** Of each message. */
  readonly seqs: Float64Array<ArrayBuffer>;
  /** Where each message's bytes end in `bytes`. */
  readonly ends: Uint32Array<ArrayBuffer>;
  /** All of them, one behind the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Their subjects, with a space between; a subject has none. */
  readonly subjects: string;
}

/** After `read` and after `failed` nothing more comes. */
export type FromReader =
  | { readonly kind: "batch"; readonly batch: ReadBatch }
  | { readonly kind: "read" }
  | { readonly kind: "failed"; readonly why: string };

/** `applied`: so many events more are gone from memory. `stop`: nobody wants the rest. */
export type ToReader = { readonly kind: "applied"; readonly events: number } | { readonly kind: "stop" };

interface Waiting {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
}

export function packed(messages: readonly Waiting[]): ReadBatch {
  const size = messages.reduce((sum, { data }) => sum + data.length, 0);
  const seqs = new Float64Array(messages.length);
  const ends = new Uint32Array(messages.length);
  const bytes = new Uint8Array(size);
  let end = 0;
  let i = 0;
  for (const { seq, data } of messages) {
    bytes.set(data, end);
    end += data.length;
    seqs[i] = seq;
    ends[i] = end;
    i += 1;
  }
  return { seqs, ends, bytes, subjects: messages.map(({ subject }) => subject).join(" ") };
}

/** Calls `each` for every message; its bytes are a view of the batch. */
export function unpack(
  { seqs, ends, bytes, subjects }: ReadBatch,
  each: (bytes: Uint8Array, seq: number, subject: string) => void,
): void {
  const names = subjects.split(" ");
  let start = 0;
  for (let i = 0; i < seqs.length; i += 1) {
    const end = ends[i] ?? start;
    each(bytes.subarray(start, end), seqs[i] ?? 0, names[i] ?? "");
    start = end;
  }
}
