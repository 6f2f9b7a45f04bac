/**
 * Asks the server for the state of the event stream: its identity, its end, and the sequences without an event.
 */
import { digestOf, EVENT_STREAM, EVENT_STREAM_CONFIG } from "@bioxen/contracts";
import type { JetStreamManager, StoredMsg, StreamInfo } from "@nats-io/jetstream";
import { type LogMark, type LogState, rangesOf, type SequenceRange } from "./log-damage.ts";
import { isMessageNotFound } from "./server-codes.ts";
import { driftInWords, driftOf, presentStream } from "./stream-state.ts";

/**
 * Maximum number of events at the end of the log that are read one by one to find the last readable event. A damaged
 * log has only a few unreadable events there. A log with more unreadable events is refused in any case.
 */
const MAX_UNREADABLE_END = 200;
/** The settings of a stream that can make the server drop, refuse or rewrite events. */
const LIMITS = [
  "discard",
  "max_age",
  "max_msgs",
  "max_bytes",
  "max_msgs_per_subject",
  "retention",
  "sources",
  "mirror",
];

/** Returns the state of the event stream; undefined when the server has none. */
export async function logState(jsm: JetStreamManager): Promise<LogState | undefined> {
  const info = await presentStream(jsm, EVENT_STREAM, { deleted_details: true });
  if (info === undefined) return undefined;
  const missing = missingBy(info);
  const readableSeq = await lastReadable(jsm, info.state.last_seq, missing);
  const ranges = rangesOf([...missing]);
  return {
    created: info.created,
    lastSeq: info.state.last_seq,
    readableSeq,
    missing: withBeginning(info, ranges),
    drift: limitDrift(info),
  };
}

/** Returns the mark of the event with this sequence; undefined when no such event can be read. */
export async function markAt(jsm: JetStreamManager, seq: number): Promise<LogMark | undefined> {
  const message = seq === 0 ? undefined : await messageOf(jsm, seq);
  return message && { digest: digestOf(message.data), storedAt: message.timestamp };
}

/**
 * Returns the sequence of the last readable event; 0 when no event is readable. A reader must not wait for the stream's
 * own last sequence, because a damaged store may have lost that event.
 */
export async function lastReadableSeq(jsm: JetStreamManager): Promise<number> {
  const { state } = await jsm.streams.info(EVENT_STREAM);
  // For an undamaged log, one read of the last event is enough. The full state is requested only when that read fails.
  if (state.last_seq === 0 || (await messageOf(jsm, state.last_seq)) !== undefined) return state.last_seq;
  return (await logState(jsm))?.readableSeq ?? 0;
}

/** Returns the deleted sequences that the server lists between the stream's first and last sequence. */
function missingBy({ state }: StreamInfo): Set<number> {
  const { first_seq, last_seq, messages } = state;
  if (messages === 0) return new Set();
  return new Set((state.deleted ?? []).filter((seq) => seq >= first_seq && seq <= last_seq));
}

function withBeginning({ state }: StreamInfo, rest: readonly SequenceRange[]): SequenceRange[] {
  const { first_seq, last_seq, messages } = state;
  if (messages === 0) return last_seq === 0 ? [] : [[1, last_seq]];
  return first_seq > 1 ? [[1, first_seq - 1], ...rest] : [...rest];
}

/** Returns the last readable sequence up to `lastSeq`, and adds the unreadable sequences after it to `missing`. */
async function lastReadable(jsm: JetStreamManager, lastSeq: number, missing: Set<number>): Promise<number> {
  let looks = 0;
  for (let seq = lastSeq; seq > 0; seq -= 1) {
    if (missing.has(seq)) continue;
    if (looks >= MAX_UNREADABLE_END) return seq;
    looks += 1;
    if ((await messageOf(jsm, seq)) !== undefined) return seq;
    missing.add(seq);
  }
  return 0;
}

async function messageOf(jsm: JetStreamManager, seq: number): Promise<StoredMsg | undefined> {
  try {
    return (await jsm.streams.getMessage(EVENT_STREAM, { seq })) ?? undefined;
  } catch (cause) {
    if (isMessageNotFound(cause)) return undefined;
    throw cause;
  }
}

function limitDrift({ config }: StreamInfo): string[] {
  const drift = driftOf(EVENT_STREAM_CONFIG, config).filter(({ setting }) => LIMITS.includes(setting));
  // Each installation may choose a maximum size. A changed size counts as drift only when a full log would drop old
  // events (`discard`), and not when it would refuse new events.
  return drift
    .filter(({ setting }) => setting !== "max_bytes" || config.discard !== EVENT_STREAM_CONFIG.discard)
    .map(driftInWords);
}
