/**
 * Snapshots of folds: a cache that bounds how much of the log a start must read, and never the truth.
 *
 * A snapshot has every aggregate of some kinds as it was after one event of the log. It is taken over only when it is
 * of this very log (that event is there, with that digest) and was made by folds of the same schema; anything else is
 * ignored, and the log is read from its first event. Deleting all of them changes nothing but time.
 *
 * What it is not: a way to shorten the log, or to hand state from one service to another.
 */
import { type Captured, lineOf } from "./held.ts";
import type { EventLog } from "./ports.ts";
import type { EventSink, SnapshotPart } from "./sink.ts";

export interface SnapshotHead {
  /** The last event in it. */
  readonly seq: number;
  /** Where that event is and what it is: the snapshot is of this log or of none. */
  readonly streamSubject: string;
  readonly digest: string;
  readonly takenAtMs: number;
  /** Schema of the fold per kind of aggregate. */
  readonly schemas: Readonly<Record<string, number>>;
}

export interface Snapshot {
  readonly head: SnapshotHead;
  readonly chunks: readonly Uint8Array[];
}

/** Where snapshots are kept. A store that is away costs a slower start, so nothing here is retried. */
export interface SnapshotStore {
  /** The newest whole snapshot; undefined when there is none, or it is damaged. */
  newest(): Promise<Snapshot | undefined>;
  /** Sequence of the newest, 0 when there is none. */
  newestSeq(): Promise<number>;
  /** Replaces the one before it, whole or not at all; throws when somebody else replaced that meanwhile. */
  save(head: SnapshotHead, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

/** A chunk before compression, bytes: below the server's largest payload, and compressed in about a millisecond. */
export const CHUNK_BYTES = 524_288;
const NEWLINE = 0x0a;
const HASH = 0x23;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Why this snapshot cannot be taken over by these sinks on this log; undefined when it can. */
export async function misfitOf(
  head: SnapshotHead,
  sinks: readonly EventSink[],
  log: EventLog,
): Promise<string | undefined> {
  for (const { kind, snapshot } of sinks) {
    if (snapshot === undefined) return `${kind} takes no snapshots`;
    if (head.schemas[kind] !== snapshot.schema) {
      return `its ${kind} has schema ${head.schemas[kind] ?? "none"}, this version has ${snapshot.schema}`;
    }
  }
  const [last] = await log.read(head.streamSubject, head.seq - 1);
  if (last?.seq === head.seq && last.digest === head.digest) return undefined;
  return `event ${head.seq} of this log is another one`;
}

/**
 * Hands each line to the sink of its kind; kinds that nobody here folds are passed over. Throws, the sinks empty again, when a
 * chunk is not made of lines.
 */
export function restoreInto(sinks: readonly EventSink[], { chunks }: Snapshot): void {
  const parts = new Map(sinks.map((sink) => [sink.kind, sink.snapshot]));
  for (const chunk of chunks) {
    let part: SnapshotPart | undefined;
    for (let start = 0; start < chunk.length; ) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) {
        for (const one of parts.values()) one?.discard();
        throw new Error("a chunk ends in the middle of a line");
      }
      if (chunk[start] === HASH) part = parts.get(decoder.decode(chunk.subarray(start + 1, end)));
      else part?.restore(chunk, start, end);
      start = end + 1;
    }
  }
  for (const part of parts.values()) part?.restored();
}

/**
 * The captured aggregates as chunks of lines; a line that begins with `#` names the kind of those after it, and every chunk
 * begins with one. `pause` is awaited between chunks, so that whoever serves requests beside this goes on.
 */
export async function* chunksOf(
  captured: ReadonlyMap<string, readonly Captured[]>,
  pause: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  for (const [kind, aggregates] of captured) {
    const title = encoder.encode(`#${kind}`);
    let lines: Uint8Array[] = [title];
    let bytes = title.length;
    for (const one of aggregates) {
      const line = lineOf(one);
      if (bytes + line.length > CHUNK_BYTES && lines.length > 1) {
        yield joined(lines);
        await pause();
        lines = [title];
        bytes = title.length;
      }
      lines.push(line);
      bytes += line.length + 1;
    }
    if (lines.length > 1) yield joined(lines);
  }
}

function joined(lines: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(lines.reduce((sum, line) => sum + line.length + 1, 0));
  let at = 0;
  for (const line of lines) {
    out.set(line, at);
    out[at + line.length] = NEWLINE;
    at += line.length + 1;
  }
  return out;
}
