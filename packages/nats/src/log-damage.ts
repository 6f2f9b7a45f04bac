/**
 * Decides whether the event log on the server is complete and is the recorded log. Compares the state that the server
 * reports with the record of the log.
 *
 * A store can lose events without an error: a damaged block loses every event after the damaged place, a lowered limit
 * drops the oldest events, a deleted stream is created again empty. The server then goes on with the next sequence, and
 * without this check every service would go on too. Only events after the last recorded event may be missing: a server
 * that is killed while it writes can lose events that it never acknowledged.
 */

/** The first and the last of consecutive sequences. */
export type SequenceRange = readonly [from: number, to: number];

/** What the server says of the event stream. */
export interface LogState {
  /** When the stream was created, as the server writes it. A stream that is made again has another time. */
  readonly created: string;
  /** The greatest sequence that was ever given to an event; 0 in an empty log. */
  readonly lastSeq: number;
  /** Sequence of the last event that can be read; 0 when no event can be read. */
  readonly readableSeq: number;
  /** Sequences up to `lastSeq` that have no event, in ascending order. */
  readonly missing: readonly SequenceRange[];
  /** Each limit of the stream that differs from its declaration, in words. */
  readonly drift: readonly string[];
}

/** What tells a stored message from another one at the same sequence. */
export interface LogMark {
  /** SHA-256 of the bytes of the message, hexadecimal; empty for no message. */
  readonly digest: string;
  /**
   * When the server stored the message, as the server writes it. Foreign messages can have equal bytes. A backup keeps
   * the time. Absent in a record of an older release.
   */
  readonly storedAt?: string | undefined;
}

/** The mark of an empty log. */
export const NO_MARK: LogMark = { digest: "", storedAt: undefined };

/** The last known state of the event log, which is stored outside of the log. `digest` and `storedAt` are of `lastSeq`. */
export interface LogRecord extends LogMark {
  readonly created: string;
  /**
   * Sequence of the last acknowledged event at the time of the record; 0 for an empty log. While services run, the
   * record follows the log within a few seconds.
   */
  readonly lastSeq: number;
  /** Missing sequences that are no damage: the event was never acknowledged, or an operator accepted its loss. */
  readonly missing: readonly SequenceRange[];
}

export const ACCEPT_FLAG = "--accept-older-log";
const REMEDY = `restore a backup of the store, or go on with what is left: \`bioxen up ${ACCEPT_FLAG}\` (docs/how-to/damaged-log.md)`;

export interface LogDamage {
  /** Sequence of the first event that is lost or has changed. */
  readonly seq: number;
  /** One sentence that names what is lost, without the remedy. */
  readonly problem: string;
}

/** Returns the sentence with which a service reports the damage, with the remedy. */
export function damageInWords({ problem }: LogDamage): string {
  return `${problem}: ${REMEDY}`;
}

/**
 * Returns the damage of the log; undefined when the log agrees with its record. `state` is undefined when the server
 * has no event stream. `present` is the mark of the event at `record.lastSeq`; undefined when the log has no such event.
 */
export function damageOf(
  state: LogState | undefined,
  record: LogRecord | undefined,
  present: LogMark | undefined,
): LogDamage | undefined {
  if (record !== undefined && record.lastSeq > 0) {
    const known = `the log known here (created ${record.created}) has ${record.lastSeq} events`;
    if (state === undefined) return { seq: 1, problem: `the event log is gone: ${known}` };
    if (state.created !== record.created) {
      return { seq: 1, problem: `this is another event log, created ${state.created}: ${known}` };
    }
    if (state.readableSeq < record.lastSeq) {
      const lost = rangesInWords([[state.readableSeq + 1, record.lastSeq]]);
      return withDrift(state, {
        seq: state.readableSeq + 1,
        problem: `acknowledged events are lost: ${lost} ${wasOrWere(record.lastSeq - state.readableSeq)} stored, and the event log ends at ${state.readableSeq}`,
      });
    }
  }
  if (state === undefined) return undefined;
  const lost = missingFrom(state, record);
  if (lost.length > 0) {
    return withDrift(state, { seq: lost[0]?.[0] ?? 1, problem: holesInWords(lost) });
  }
  if (record !== undefined && record.digest !== "" && present !== undefined && isOther(record, present)) {
    return { seq: record.lastSeq, problem: `event ${record.lastSeq} is not the one that was stored` };
  }
  return undefined;
}

/**
 * Returns the damage of a log from which a reader did not receive the sequences of `gap`: this gap, and everything else
 * that the server reports as missing. The server may not report the gap itself: it does not know that the bytes of an
 * event are damaged. `state` is undefined when the server does not answer.
 */
export function damageAtGap(gap: SequenceRange, state: LogState | undefined, record: LogRecord): LogDamage {
  const gapAlone = { seq: gap[0], problem: holesInWords([gap]) };
  // The reader has received an event after the gap. A server that does not report that event has not read its store yet.
  if (state === undefined || state.readableSeq <= gap[1]) return gapAlone;
  const seen = { ...state, missing: union(state.missing, [gap]) };
  return damageOf(seen, { ...record, lastSeq: gap[1], ...NO_MARK }, undefined) ?? gapAlone;
}

/** Returns the sentence about events that are missing within the log. */
export function holesInWords(missing: readonly SequenceRange[]): string {
  const count = missing.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  return `${rangesInWords(missing)} ${count === 1 ? "is" : "are"} missing in the event log`;
}

function isOther(known: LogMark, present: LogMark): boolean {
  if (known.digest !== present.digest) return true;
  const [before, now] = [known.storedAt, present.storedAt];
  return before !== undefined && now !== undefined && before !== now;
}

/** Returns the missing sequences that are damage: not in the record, and not after the last acknowledged event. */
function missingFrom(state: LogState, record: LogRecord | undefined): readonly SequenceRange[] {
  const acknowledged = Math.max(record?.lastSeq ?? 0, state.readableSeq);
  return subtract(state.missing, record?.missing ?? []).filter(([from]) => from <= acknowledged);
}

/**
 * Returns the record to keep for an undamaged log: its last readable event and every missing sequence. An event that is
 * missing now was never acknowledged, or an operator accepted its loss. `alsoMissing` are further missing sequences,
 * which the server does not report.
 */
export function recordOf(
  { created, readableSeq, missing }: LogState,
  mark: LogMark,
  alsoMissing: readonly SequenceRange[] = [],
): LogRecord {
  return { created, lastSeq: readableSeq, ...mark, missing: union(missing, alsoMissing) };
}

function withDrift(state: LogState, { seq, problem }: LogDamage): LogDamage {
  const limits = state.drift.length === 0 ? "" : ` (its limits were changed: ${state.drift.join("; ")})`;
  return { seq, problem: `${problem}${limits}` };
}

function wasOrWere(count: number): string {
  return count === 1 ? "was" : "were";
}

/** Maximum number of ranges that a sentence names. Further ranges are only counted. */
const MAX_NAMED_RANGES = 5;

export function rangesInWords(ranges: readonly SequenceRange[]): string {
  const named = ranges
    .slice(0, MAX_NAMED_RANGES)
    .map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`));
  const more =
    ranges.length > MAX_NAMED_RANGES ? ` and ${ranges.length - MAX_NAMED_RANGES} further ranges` : "";
  const single = ranges.length === 1 && ranges[0]?.[0] === ranges[0]?.[1];
  return `${single ? "event" : "events"} ${named.join(", ")}${more}`;
}

/** Returns ascending ranges of the given sequences. */
export function rangesOf(seqs: readonly number[]): SequenceRange[] {
  const ranges: [number, number][] = [];
  for (const seq of [...seqs].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && seq <= last[1] + 1) last[1] = Math.max(last[1], seq);
    else ranges.push([seq, seq]);
  }
  return ranges;
}

/** Returns the parts of `ranges` that are in none of `others`. Both are ascending and without overlaps. */
export function subtract(
  ranges: readonly SequenceRange[],
  others: readonly SequenceRange[],
): SequenceRange[] {
  const left: SequenceRange[] = [];
  for (const [from, to] of ranges) {
    let next = from;
    for (const [otherFrom, otherTo] of others) {
      if (otherTo < next || otherFrom > to) continue;
      if (otherFrom > next) left.push([next, otherFrom - 1]);
      next = otherTo + 1;
    }
    if (next <= to) left.push([next, to]);
  }
  return left;
}

/** Returns the ranges of all sequences in either list, ascending and without overlaps. */
export function union(one: readonly SequenceRange[], other: readonly SequenceRange[]): SequenceRange[] {
  const merged: [number, number][] = [];
  for (const [from, to] of [...one, ...other].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

export function inRanges(seq: number, ranges: readonly SequenceRange[]): boolean {
  return ranges.some(([from, to]) => from <= seq && seq <= to);
}
