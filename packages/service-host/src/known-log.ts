/**
 * Opens the event log of a service, and compares the log with a record of its creation time and last event. The record
 * is kept outside of the log. When the log has lost events, or is another log, the process ends. Otherwise the process
 * would give answers that the log does not support.
 */
import {
  EventFeed,
  type EventLog,
  type EventSink,
  LogGap,
  type Logger,
  messageOf,
  type ServicePorts,
  type Skips,
  type SnapshotSource,
} from "@bioxen/kernel";
import {
  type Bus,
  inRanges,
  type LogGuard,
  openEventLog,
  openLogGuard,
  refuseDamagedLog,
  type StorageSettings,
} from "@bioxen/nats";
import type { ProcessEnd } from "./process-end.ts";
import { systemTimers } from "./real-world.ts";

/** Longest time that a process waits until its supervisor has received the reason of the exit, ms. */
const REFUSAL_DEADLINE_MS = 500;

/** Ends the process because the log is damaged from `seq` on. `sentence` describes the damage for the operator. */
export type LoseLog = (seq: number, sentence: string) => void;

export function losing(logger: Logger, end: ProcessEnd): LoseLog {
  return (seq, sentence) => {
    if (end.isRequested) return;
    logger.error({ seq }, sentence);
    // The supervisor of a local stack does not restart a process that has sent `refused`, because a restarted process
    // would find the same damage.
    setTimeout(() => process.exit(1), REFUSAL_DEADLINE_MS);
    if (process.send === undefined) process.exit(1);
    process.send({ kind: "refused", why: sentence }, undefined, {}, () => process.exit(1));
  };
}

export interface KnownLogOptions {
  readonly bus: Bus;
  readonly storage: StorageSettings;
  /** File with the second copy of the record that is kept of the log; undefined without a second copy. */
  readonly file: string | undefined;
  /** True for the one service that keeps the log's record up to date. */
  readonly writes: boolean;
  readonly logger: Logger;
  readonly lose: LoseLog;
}

/**
 * Opens the event log, and creates or repairs the streams. Throws `Fault` CONFLICT when the log contradicts the record
 * that is kept of it. This check precedes the opening, because the opening creates a missing log.
 */
export async function openKnownLog(
  options: KnownLogOptions,
): Promise<{ readonly log: EventLog; readonly guard: LogGuard }> {
  const { bus, storage, file, writes, logger, lose } = options;
  const place = { bus, storage, file };
  await refuseDamagedLog(place);
  const open = () =>
    openEventLog(bus, storage, {
      onTrouble: (message, cause) => logger.warn(cause === undefined ? {} : { err: cause }, message),
    });
  const log = await open();
  const guard = await openLogGuard({
    ...place,
    writes,
    onDamage: lose,
    onDrift: (drift) =>
      logger.error({ drift }, `the limits of the event log were changed, repairing them: ${drift}`),
    repair: async () => void (await open()),
  });
  return { log, guard };
}

export interface FeedOptions {
  readonly ports: ServicePorts;
  readonly sinks: readonly EventSink[];
  readonly skips: Skips;
  readonly guard: LogGuard;
  readonly end: ProcessEnd;
}

/** Makes the feed of a service. When the feed stops by itself, the process ends with the reason. */
export function feedOf({ ports, sinks, skips, guard, end }: FeedOptions): EventFeed {
  const feed = new EventFeed(ports.log, sinks, systemTimers, skips);
  feed.mayMiss((seq) => inRanges(seq, guard.missing));
  end.closes(() => feed.stop());
  feed.onStop((cause) => {
    if (end.isRequested) return;
    if (cause instanceof LogGap) {
      void guard.reportGap(cause.from, cause.to);
      return;
    }
    ports.logger.error({ err: cause }, `the event feed stopped: ${messageOf(cause)}`);
    process.exit(1);
  });
  return feed;
}

/**
 * Starts the feed; resolves when it has caught up. At a gap in the log the promise stays pending, because the guard ends
 * the process with a sentence about the whole damage.
 */
export async function startFeed(feed: EventFeed, snapshots?: SnapshotSource): Promise<void> {
  try {
    await feed.start(snapshots);
  } catch (cause) {
    if (!(cause instanceof LogGap)) throw cause;
    await new Promise<never>(() => undefined);
  }
}
