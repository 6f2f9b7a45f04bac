/**
 * Compares the event log with its record: before a service starts, and every two seconds while the service runs. If the
 * log has lost events, or is another log, the service ends with one sentence that says so. No NATS: guarded-log.ts gives
 * the guard its access to the server.
 */
import { Fault, type Timers } from "@bioxen/kernel";
import {
  damageAtGap,
  damageInWords,
  damageOf,
  holesInWords,
  type LogDamage,
  type LogMark,
  type LogRecord,
  type LogState,
  NO_MARK,
  recordOf,
  type SequenceRange,
  subtract,
  union,
} from "./log-damage.ts";
import { settledWithin } from "./settled-within.ts";

/** Interval between two checks of the log, ms. After a crash, the record is behind the log by at most this time. */
const LOOK_INTERVAL_MS = 2_000;
/** Wait before the check is repeated after it has found damage or got no answer, ms. */
export const CONFIRM_WAIT_MS = 500;
/**
 * Number of checks in a row that must find the damage. A server that restarts, or a new leader of a cluster, may for a
 * moment report fewer events than it has stored.
 */
export const CONFIRM_LOOKS = 4;

/**
 * Longest wait for the server's account of the log after a reader has met a gap, ms. The process ends anyway: a silent
 * server must not keep it.
 */
const GAP_DEADLINE_MS = 2_000;

/** Longest wait for the last write of the record when the process ends, ms. A silent server must not delay the end. */
const END_DEADLINE_MS = 1_000;

/** The access to an event log and to the record that is kept of it. */
export interface WatchedLog {
  /** Returns the state of the log; undefined when the server has no event stream. */
  state(): Promise<LogState | undefined>;
  /** Returns the mark of the event with this sequence; undefined when no such event can be read. */
  markAt(seq: number): Promise<LogMark | undefined>;
  /** Returns the copies of the record that exist. */
  records(): Promise<readonly LogRecord[]>;
  /** Number of copies that {@link write} makes. */
  readonly copies: number;
  write(record: LogRecord): Promise<void>;
  /** Deletes the record, so that the next start may create an empty log. */
  remove(): Promise<void>;
}

export interface Inspection {
  readonly state: LogState | undefined;
  readonly records: readonly LogRecord[];
  readonly damage: LogDamage | undefined;
}

/** Returns the log's state, its records and any damage; changes nothing. */
export async function inspect(log: Pick<WatchedLog, "state" | "markAt" | "records">): Promise<Inspection> {
  const records = await log.records();
  const state = await log.state();
  const damage =
    records.length === 0 ? damageOf(state, undefined, undefined) : await recordedDamage(log, state, records);
  return { state, records, damage };
}

/** Returns the first contradiction between the log and a copy of its record; undefined when there is none. */
async function recordedDamage(
  log: Pick<WatchedLog, "markAt">,
  state: LogState | undefined,
  records: readonly LogRecord[],
): Promise<LogDamage | undefined> {
  for (const record of records) {
    const present = await log.markAt(record.lastSeq).catch(() => undefined);
    const damage = damageOf(state, record, present);
    if (damage !== undefined) return damage;
  }
  return undefined;
}

export function damageFault(damage: LogDamage): Fault {
  return new Fault("CONFLICT", damageInWords(damage), { retryable: false, details: { seq: damage.seq } });
}

/**
 * Records the present log as the known log, even if events are lost, and so accepts that loss. `gaps` reads the whole
 * log and returns the sequences that it does not deliver. Returns the accepted damage; undefined for an undamaged log.
 */
export async function acceptedLoss(
  log: WatchedLog,
  gaps: () => Promise<readonly SequenceRange[]>,
): Promise<LogDamage | undefined> {
  const { state, records, damage } = await inspect(log);
  if (state === undefined) {
    await log.remove();
    return damage;
  }
  const unread = await gaps();
  const known = records.filter(({ created }) => created === state.created).flatMap(({ missing }) => missing);
  const lost = subtract(unread, union(state.missing, known));
  await log.write(recordOf(state, (await log.markAt(state.readableSeq)) ?? NO_MARK, union(unread, known)));
  if (damage !== undefined || lost.length === 0) return damage;
  return { seq: lost[0]?.[0] ?? 1, problem: holesInWords(lost) };
}

export interface LogGuardOptions {
  /** True for the one service that keeps the record up to date. */
  readonly writes: boolean;
  /** Called at most once, when the log is lost or damaged. `seq` is the first damaged sequence; `sentence` says what is lost. */
  readonly onDamage: (seq: number, sentence: string) => void;
  /** Called with the changed limits of the log, in words, before the guard restores the declared limits. */
  readonly onDrift: (drift: string) => void;
  /** Repairs the configuration of the streams. */
  readonly repair: () => Promise<void>;
  /** Interval between two checks of the log, ms; default 2 s. */
  readonly lookEveryMs?: number;
  /** Schedules the checks. Default: timers that do not keep the process running. */
  readonly timers?: Pick<Timers, "after">;
}

const REAL_TIMERS: Pick<Timers, "after"> = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export class LogGuard {
  readonly #options: LogGuardOptions;
  readonly #log: WatchedLog;
  readonly #timers: Pick<Timers, "after">;
  #known: LogRecord;
  #written: LogRecord | undefined;
  readonly #lookEveryMs: number;
  #appliedSeq: () => number = () => 0;
  #timer: ReturnType<Timers["after"]> | undefined;
  #suspicions = 0;
  #ended = false;

  private constructor(options: LogGuardOptions, log: WatchedLog, known: LogRecord, written?: LogRecord) {
    this.#options = options;
    this.#log = log;
    this.#timers = options.timers ?? REAL_TIMERS;
    this.#known = known;
    this.#written = written;
    this.#lookEveryMs = options.lookEveryMs ?? LOOK_INTERVAL_MS;
  }

  /**
   * Opens the guard of an undamaged log. Writes the record at once when the log is new, or when unacknowledged events
   * at the log's end are missing. Throws `Fault` CONFLICT for a damaged log.
   */
  static async open(log: WatchedLog, options: LogGuardOptions): Promise<LogGuard> {
    const { state, records, damage } = await inspect(log);
    if (damage !== undefined) throw damageFault(damage);
    if (state === undefined)
      throw new Fault("UNAVAILABLE", "the event log is gone: retry", { retryable: true });
    const missing = records.flatMap((record) => record.missing);
    const known = recordOf(state, (await log.markAt(state.readableSeq)) ?? NO_MARK, missing);
    const isRecorded =
      records.length === log.copies &&
      records.every(
        (record) => record.created === known.created && sameRanges(record.missing, known.missing),
      );
    const guard = new LogGuard(options, log, known, isRecorded ? records[0] : undefined);
    if (!isRecorded) await guard.#write(known);
    return guard;
  }

  /** Missing sequences that are no damage: the event was never acknowledged, or an operator accepted its loss. */
  get missing(): readonly SequenceRange[] {
    return this.#known.missing;
  }

  /** Starts the periodic checks. `appliedSeq` returns the sequence of the last event that this process has applied. */
  begin(appliedSeq: () => number): void {
    this.#appliedSeq = appliedSeq;
    this.#after(this.#lookEveryMs);
  }

  /**
   * Reports that a reader of the log did not receive the sequences `from` to `to`. Calls `onDamage` with everything that
   * is missing, or with this gap alone when the server does not answer within {@link GAP_DEADLINE_MS}.
   */
  async reportGap(from: number, to: number): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    const damage = damageAtGap([from, to], await this.#stateInTime(), this.#known);
    this.#options.onDamage(damage.seq, damageInWords(damage));
  }

  /** Returns the state of the log; undefined when the server fails to answer within {@link GAP_DEADLINE_MS}. */
  #stateInTime(): Promise<LogState | undefined> {
    return new Promise((resolve) => {
      const deadline = this.#timers.after(GAP_DEADLINE_MS, () => resolve(undefined));
      this.#log
        .state()
        .then(resolve, () => resolve(undefined))
        .finally(() => deadline.cancel());
    });
  }

  /** Stops the periodic checks, after one last check that updates the record to the log's last event. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    if (this.#suspicions === 0) await settledWithin(this.#look(), END_DEADLINE_MS);
  }

  #after(ms: number): void {
    if (this.#ended) return;
    this.#timer = this.#timers.after(ms, () => {
      void this.#look().then(
        () => this.#after(this.#suspicions === 0 ? this.#lookEveryMs : CONFIRM_WAIT_MS),
        // Without an answer the log is unknown: a process that was cut off must look soon after it is back.
        () => this.#after(Math.min(this.#lookEveryMs, CONFIRM_WAIT_MS)),
      );
    });
  }

  async #look(): Promise<void> {
    const seen: LogRecord = {
      ...this.#known,
      lastSeq: Math.max(this.#known.lastSeq, this.#appliedSeq()),
      ...NO_MARK,
    };
    // The record is read first: the log is never behind a record that existed before the log was asked.
    const records = await this.#log.records();
    const state = await this.#log.state();
    const damage = damageOf(state, seen, undefined) ?? (await recordedDamage(this.#log, state, records));
    if (damage !== undefined) {
      this.#suspicions += 1;
      if (this.#suspicions < CONFIRM_LOOKS || this.#ended) return;
      this.#ended = true;
      this.#options.onDamage(damage.seq, damageInWords(damage));
      return;
    }
    this.#suspicions = 0;
    if (state === undefined) return;
    if (state.drift.length > 0 && !this.#ended) {
      this.#options.onDrift(state.drift.join("; "));
      await this.#options.repair();
    }
    this.#known = { ...seen, lastSeq: Math.max(seen.lastSeq, state.readableSeq) };
    if (this.#options.writes && this.#written?.lastSeq !== state.readableSeq) {
      const mark = (await this.#log.markAt(state.readableSeq)) ?? NO_MARK;
      await this.#write(recordOf(state, mark, this.#known.missing));
    }
  }

  async #write(record: LogRecord): Promise<void> {
    await this.#log.write(record);
    this.#written = record;
  }
}

function sameRanges(one: readonly SequenceRange[], other: readonly SequenceRange[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
