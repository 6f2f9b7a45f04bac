/**
 * Snapshots of folds: a cache that limits how much of the log a start must read. A snapshot is never the source of
 * truth.
 *
 * A snapshot contains every aggregate of several kinds as it was after one event of the log, and the digest of that
 * event. An aggregate that the service itself has just changed can be newer; the newest such event is then named too. A
 * start uses the snapshot only when the log has these events with the same digests, and the folds have the same schema.
 * Otherwise the start reads the log from its first event. Deleting all snapshots costs only time.
 *
 * A snapshot does not shorten the log, and services do not pass state to each other through snapshots.
 */

import type { EventMark } from "./envelope.ts";
import type { EventLog } from "./ports.ts";
import type { EventSink, SnapshotPart } from "./sink.ts";
import type { Skips } from "./skips.ts";
import { type Captured, lineOf } from "./versioned-states.ts";

/** The mark is that of the last event up to which the snapshot has every event. */
export interface SnapshotHead extends EventMark {
  /** The newest event in the states; absent when it is the event of the head. */
  readonly newest?: EventMark | undefined;
  readonly takenAtMs: number;
  /** Schema of the fold, by kind of aggregate. */
  readonly schemas: Readonly<Record<string, number>>;
  /** Sequences of the skipped messages that the states leave out, ascending; absent without such messages. */
  readonly skipped?: readonly number[] | undefined;
}

export interface Snapshot {
  readonly head: SnapshotHead;
  readonly chunks: readonly Uint8Array[];
}

/** The store of snapshots. An unreachable store only slows a start down, so nothing is retried. */
export interface SnapshotStore {
  /** Returns the newest complete snapshot; undefined when none exists, or when it is damaged. */
  newest(): Promise<Snapshot | undefined>;
  /** Returns the head of the newest snapshot; undefined when none exists. */
  newestHead(): Promise<SnapshotHead | undefined>;
  /**
   * Stores a snapshot in place of the previous one, completely or not at all. Throws when another writer has replaced
   * the previous one meanwhile.
   */
  save(head: SnapshotHead, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

/** Size of a chunk before compression, bytes: below the server's largest payload, and compressed in about 1 ms. */
export const CHUNK_BYTES = 524_288;
const NEWLINE = 0x0a;
const HASH = 0x23;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Returns the reason why this log and these sinks cannot use the snapshot; undefined when they can. */
export async function snapshotMismatch(
  head: SnapshotHead,
  sinks: readonly EventSink[],
  log: EventLog,
  skips: Skips,
): Promise<string | undefined> {
  for (const { kind, snapshot } of sinks) {
    if (snapshot === undefined) return `the fold of ${kind} cannot be restored`;
    if (head.schemas[kind] !== snapshot.schema) {
      return `its ${kind} has schema ${head.schemas[kind] ?? "none"}, this version has ${snapshot.schema}`;
    }
  }
  if ((head.skipped ?? []).join() !== skips.upTo(head.seq).join()) {
    return "messages were skipped, or are no longer skipped, since it was taken";
  }
  for (const mark of head.newest === undefined ? [head] : [head, head.newest]) {
    if (!(await isInLog(mark, log))) return `this log has no event ${mark.seq} with the same digest`;
  }
  return undefined;
}

async function isInLog({ seq, streamSubject, digest }: EventMark, log: EventLog): Promise<boolean> {
  const message = await log.messageAt(seq);
  return message?.streamSubject === streamSubject && message.digest === digest;
}

/**
 * Restores each line of the snapshot into the sink of its kind. Ignores kinds without a sink. Throws when a chunk does
 * not consist of whole lines; the sinks are then empty.
 */
export function restoreInto(sinks: readonly EventSink[], { chunks }: Snapshot): void {
  const parts = new Map(sinks.map((sink) => [sink.kind, sink.snapshot]));
  for (const chunk of chunks) {
    let part: SnapshotPart | undefined;
    for (let start = 0; start < chunk.length; ) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) {
        for (const one of parts.values()) one?.discard();
        throw new Error("a chunk of the snapshot ends in the middle of a line");
      }
      if (chunk[start] === HASH) part = parts.get(decoder.decode(chunk.subarray(start + 1, end)));
      else part?.restore(chunk, start, end);
      start = end + 1;
    }
  }
  for (const part of parts.values()) part?.restored();
}

/**
 * Yields the captured aggregates as chunks of lines. A line that begins with `#` names the kind of the lines after it,
 * and every chunk begins with such a line. `pause` is awaited between chunks, so that requests are served meanwhile.
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
