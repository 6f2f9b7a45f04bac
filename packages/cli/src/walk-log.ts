/**
 * One pass over the log, from a given sequence to the event that is the last one when the pass starts.
 */
import { type EventLog, Fault, type StoredEvent } from "@bioxen/kernel";

export interface WalkOptions {
  readonly fromSeq?: number;
  readonly toSeq?: number;
  /** Longest time without a new event, ms. After at most twice that time the walk ends with `Fault` TIMEOUT. */
  readonly stallMs: number;
}

/**
 * Calls `onEvent` for every event from `fromSeq` (default: 1) to `toSeq` (default: the last event), in order. Events
 * that are stored after the walk has started are left out. Returns undefined when the walk was complete, otherwise the
 * cause of the interruption, such as an unreadable event.
 */
export async function walkLog(
  log: EventLog,
  onEvent: (event: StoredEvent) => void,
  options: WalkOptions,
): Promise<unknown> {
  const end = Math.min(await log.lastSeq(), options.toSeq ?? Number.POSITIVE_INFINITY);
  const { fromSeq = 1, stallMs } = options;
  if (end < fromSeq) return undefined;
  let stop: () => void = () => undefined;
  let watchdog: NodeJS.Timeout | undefined;
  let seen = 0;
  let seenBefore = 0;
  const cause = await new Promise<unknown>((resolve) => {
    watchdog = setInterval(() => {
      const isSilent = seen === seenBefore;
      seenBefore = seen;
      const message = `the log gave no event for ${stallMs} ms`;
      if (isSilent) resolve(new Fault("TIMEOUT", message, { retryable: true }));
    }, stallMs);
    log
      .follow({
        fromSeq,
        onEvent: (event) => {
          seen = event.seq;
          if (event.seq <= end) onEvent(event);
          if (event.seq >= end) resolve(undefined);
        },
        onCaughtUp: () => undefined,
        onStop: (why) => resolve(why),
      })
      .then((following) => {
        stop = () => void following.stop();
      }, resolve);
  });
  clearInterval(watchdog);
  stop();
  return cause;
}
