/**
 * Compares the event log with its record: before a service starts, and every two seconds while the service runs. If the
 * log has lost events, or is another log, the service ends with one sentence that says so.
 */
import { type EventLog, Fault, type Following } from "@bioxen/kernel";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { openExistingLog } from "./existing-log.ts";
import { streamManagerOf } from "./jet-stream.ts";
import {
  damageInWords,
  damageOf,
  holesInWords,
  type LogDamage,
  type LogRecord,
  type LogState,
  recordOf,
  type SequenceRange,
  subtract,
  union,
} from "./log-damage.ts";
import { type LogRecordPlace, LogRecordWriter, readLogRecords } from "./log-record.ts";
import { digestAt, logState } from "./log-state.ts";
import { onceReady } from "./ready.ts";
import { settledWithin } from "./settled-within.ts";
import { sleep } from "./sleep.ts";

/** Interval between two checks of the log, ms. After a crash, the record is behind the log by at most this time. */
const LOOK_INTERVAL_MS = 2_000;
/** Wait before the check is repeated after it has found damage, ms. */
const CONFIRM_WAIT_MS = 500;
/**
 * Number of checks in a row that must find the damage. A server that restarts, or a new leader of a cluster, may for a
 * moment report fewer events than it has stored.
 */
const CONFIRM_LOOKS = 4;

/** Longest wait for the last write of the record when the process ends, ms. A silent server must not delay the end. */
const END_DEADLINE_MS = 1_000;

export interface Inspection {
  readonly state: LogState | undefined;
  readonly records: readonly LogRecord[];
  readonly damage: LogDamage | undefined;
}

/** Returns the log's state, its records and any damage; changes nothing. `file` is the path of a second record. */
export async function inspectLog(bus: Bus, file?: string): Promise<Inspection> {
  return inspect(await streamManagerOf(bus), file);
}

async function inspect(jsm: JetStreamManager, file: string | undefined): Promise<Inspection> {
  const records = await readLogRecords(jsm, file);
  const state = await logState(jsm);
  for (const record of records.length === 0 ? [undefined] : records) {
    const digest =
      record === undefined ? undefined : await digestAt(jsm, record.lastSeq).catch(() => undefined);
    const damage = damageOf(state, record, digest);
    if (damage !== undefined) return { state, records, damage };
  }
  return { state, records, damage: undefined };
}

/** Throws `Fault` CONFLICT, not retryable, when the log is damaged or is another log than the recorded one. */
export async function refuseDamagedLog({ bus, file }: LogRecordPlace): Promise<void> {
  // A cluster that has just started may not know all of its streams yet; a single server knows them before it answers.
  const looks = bus.connection.info?.cluster === undefined ? 1 : CONFIRM_LOOKS;
  for (let look = 1; ; look += 1) {
    const { damage } = await onceReady("cannot open the event log", () => inspectLog(bus, file));
    if (damage === undefined) return;
    if (look >= looks) throw damageFault(damage);
    await sleep(CONFIRM_WAIT_MS);
  }
}

export function damageFault(damage: LogDamage): Fault {
  return new Fault("CONFLICT", damageInWords(damage), { retryable: false, details: { seq: damage.seq } });
}

/**
 * Records the present log as the known log, even if events are lost, and so accepts that loss. Returns the accepted
 * damage; undefined for an undamaged log.
 */
export async function acceptLog(place: LogRecordPlace): Promise<LogDamage | undefined> {
  const jsm = await streamManagerOf(place.bus);
  const { state, records, damage } = await inspect(jsm, place.file);
  const writer = new LogRecordWriter(place);
  if (state === undefined) {
    await writer.remove();
    return damage;
  }
  // The server does not report an event with damaged bytes as missing. Only reading the whole log finds such an event.
  const unread = await gapsOf(await openExistingLog(place.bus));
  const known = records.filter(({ created }) => created === state.created).flatMap(({ missing }) => missing);
  const lost = subtract(unread, union(state.missing, known));
  await writer.write(recordOf(state, (await digestAt(jsm, state.readableSeq)) ?? "", union(unread, known)));
  if (damage !== undefined || lost.length === 0) return damage;
  return { seq: lost[0]?.[0] ?? 1, problem: holesInWords(lost) };
}

/** Reads the whole log and returns the sequences that it does not deliver. */
async function gapsOf(log: EventLog): Promise<SequenceRange[]> {
  const gaps: SequenceRange[] = [];
  let seen = 0;
  let following: Following | undefined;
  await new Promise<void>((resolve, reject) => {
    const take = ({ seq }: { readonly seq: number }) => {
      if (seq > seen + 1) gaps.push([seen + 1, seq - 1]);
      seen = Math.max(seen, seq);
    };
    log
      .follow({ fromSeq: 1, onEvent: take, onUnreadable: take, onCaughtUp: resolve, onStop: reject })
      .then((started) => {
        following = started;
      }, reject);
  });
  await following?.stop();
  return gaps;
}

export interface LogGuardOptions extends LogRecordPlace {
  /** True for the one service that keeps the record up to date. */
  readonly writes: boolean;
  /** Called once when the log is lost or damaged. `seq` is the first damaged sequence; `sentence` says what is lost. */
  readonly onDamage: (seq: number, sentence: string) => void;
  /** Called with the changed limits of the log, in words, before the guard restores the declared limits. */
  readonly onDrift: (drift: string) => void;
  /** Repairs the configuration of the streams. */
  readonly repair: () => Promise<void>;
  /** Interval between two checks of the log, ms; default 2 s. */
  readonly lookEveryMs?: number;
}

export class LogGuard {
  readonly #options: LogGuardOptions;
  readonly #jsm: JetStreamManager;
  readonly #writer: LogRecordWriter;
  #known: LogRecord;
  #written: LogRecord | undefined;
  readonly #lookEveryMs: number;
  #appliedSeq: () => number = () => 0;
  #timer: NodeJS.Timeout | undefined;
  #suspicions = 0;
  #ended = false;

  private constructor(
    options: LogGuardOptions,
    jsm: JetStreamManager,
    known: LogRecord,
    written?: LogRecord,
  ) {
    this.#options = options;
    this.#jsm = jsm;
    this.#writer = new LogRecordWriter(options);
    this.#known = known;
    this.#written = written;
    this.#lookEveryMs = options.lookEveryMs ?? LOOK_INTERVAL_MS;
  }

  /**
   * Opens the guard of an undamaged log. Writes the record at once when the log is new, or when unacknowledged events
   * at the log's end are missing.
   */
  static async open(options: LogGuardOptions): Promise<LogGuard> {
    const jsm = await streamManagerOf(options.bus);
    const { state, records, damage } = await inspect(jsm, options.file);
    if (damage !== undefined) throw damageFault(damage);
    if (state === undefined)
      throw new Fault("UNAVAILABLE", "the event log is gone: retry", { retryable: true });
    const missing = records.flatMap((record) => record.missing);
    const known = recordOf(state, (await digestAt(jsm, state.readableSeq)) ?? "", missing);
    const isRecorded =
      records.length === (options.file === undefined ? 1 : 2) &&
      records.every(
        (record) => record.created === known.created && sameRanges(record.missing, known.missing),
      );
    const guard = new LogGuard(options, jsm, known, isRecorded ? records[0] : undefined);
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

  /** Stops the periodic checks, after one last check that updates the record to the log's last event. */
  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    if (this.#suspicions === 0) await settledWithin(this.#look(), END_DEADLINE_MS);
  }

  #after(ms: number): void {
    if (this.#ended) return;
    this.#timer = setTimeout(() => {
      void this.#look()
        .catch(() => undefined)
        .finally(() => this.#after(this.#suspicions === 0 ? this.#lookEveryMs : CONFIRM_WAIT_MS));
    }, ms);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const seen: LogRecord = {
      ...this.#known,
      lastSeq: Math.max(this.#known.lastSeq, this.#appliedSeq()),
      digest: "",
    };
    const state = await logState(this.#jsm);
    const damage = damageOf(state, seen, undefined);
    if (damage !== undefined) {
      this.#suspicions += 1;
      if (this.#suspicions < CONFIRM_LOOKS) return;
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
      const digest = (await digestAt(this.#jsm, state.readableSeq)) ?? "";
      await this.#write(recordOf(state, digest, this.#known.missing));
    }
  }

  async #write(record: LogRecord): Promise<void> {
    await this.#writer.write(record);
    this.#written = record;
  }
}

function sameRanges(one: readonly SequenceRange[], other: readonly SequenceRange[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
