/**
 * The access of the log guard (log-guard.ts) to the event stream and to the record of the log on a NATS server.
 */
import type { EventLog, Following } from "@bioxen/kernel";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { openExistingLog } from "./existing-log.ts";
import { streamManagerOf } from "./jet-stream.ts";
import type { LogDamage, SequenceRange } from "./log-damage.ts";
import {
  acceptedLoss,
  CONFIRM_LOOKS,
  CONFIRM_WAIT_MS,
  damageFault,
  type Inspection,
  inspect,
  LogGuard,
  type LogGuardOptions,
  type WatchedLog,
} from "./log-guard.ts";
import { type LogRecordPlace, LogRecordWriter, readLogRecords } from "./log-record.ts";
import { logState, markAt } from "./log-state.ts";
import { onceReady } from "./ready.ts";
import { isStreamNotFound } from "./server-codes.ts";
import { sleep } from "./sleep.ts";
import { BUCKETS } from "./storage.ts";

/** Returns the log's state, its records and any damage; changes nothing. `file` is the path of a second record. */
export async function inspectLog(bus: Bus, file?: string): Promise<Inspection> {
  const jsm = await streamManagerOf(bus);
  return inspect(readerOf(jsm, file));
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

/**
 * Records the present log as the known log, even if events are lost, and so accepts that loss. Returns the accepted
 * damage; undefined for an undamaged log.
 */
export async function acceptLog(place: LogRecordPlace): Promise<LogDamage | undefined> {
  const log = await watchedLog(place);
  // The server does not report an event with damaged bytes as missing. Only reading the whole log finds such an event.
  const damage = await acceptedLoss(log, async () => gapsOf(await openExistingLog(place.bus)));
  if (damage !== undefined) await forgetOutcomes(await streamManagerOf(place.bus));
  return damage;
}

/**
 * Deletes the first outcomes of all commands. Otherwise a command whose event is lost, and which its client repeats,
 * would get the answer that it was carried out. The log itself knows the commands whose events it still has.
 */
async function forgetOutcomes(jsm: JetStreamManager): Promise<void> {
  try {
    await jsm.streams.purge(`KV_${BUCKETS.outcomes.name}`);
  } catch (cause) {
    if (!isStreamNotFound(cause)) throw cause;
  }
}

export type OpenLogGuardOptions = LogRecordPlace & LogGuardOptions;

/** Opens the guard of an undamaged log: see {@link LogGuard.open}. */
export async function openLogGuard(options: OpenLogGuardOptions): Promise<LogGuard> {
  return LogGuard.open(await watchedLog(options), options);
}

async function watchedLog(place: LogRecordPlace): Promise<WatchedLog> {
  const writer = new LogRecordWriter(place);
  return {
    ...readerOf(await streamManagerOf(place.bus), place.file),
    copies: place.file === undefined ? 1 : 2,
    write: (record) => writer.write(record),
    remove: () => writer.remove(),
  };
}

function readerOf(
  jsm: JetStreamManager,
  file: string | undefined,
): Pick<WatchedLog, "state" | "markAt" | "records"> {
  return {
    state: () => logState(jsm),
    markAt: (seq) => markAt(jsm, seq),
    records: () => readLogRecords(jsm, file),
  };
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
