/**
 * One pass over the log, from a given sequence to the event that is the last one when the pass starts.
 */
import { type EventLog, Fault, type StoredEvent, type UnreadableMessage } from "@bioxen/kernel";
import { SkippedMessages } from "./skipped-messages.ts";

export interface WalkOptions {
  readonly fromSeq?: number;
  readonly toSeq?: number;
  /** Longest time without a new event, ms. After at most twice that time the walk ends with `Fault` TIMEOUT. */
  readonly stallMs: number;
  /** Called in order for a message that cannot be read. Without it, the walk ends at such a message. */
  readonly onUnreadable?: (message: UnreadableMessage) => void;
}

/**
 * Calls `onEvent` for every event from `fromSeq` (default: 1) to `toSeq` (default: the last event), in order. Events
 * that are stored after the walk has started are left out. Returns undefined when the walk was complete, otherwise the
 * cause of the interruption.
 */
export async function walkLog(
  log: Pick<EventLog, "lastSeq" | "follow">,
  onEvent: (event: StoredEvent) => void,
  options: WalkOptions,
): Promise<unknown> {
  const end = Math.min(await log.lastSeq(), options.toSeq ?? Number.POSITIVE_INFINITY);
  const { fromSeq = 1, stallMs } = options;
  if (end < fromSeq) return undefined;
  let stop: () => void = () => undefined;
  let watchdog: ReturnType<typeof setInterval> | undefined;
  let seen = 0;
  let seenBefore = 0;
  const cause = await new Promise<unknown>((resolve) => {
    watchdog = setInterval(() => {
      const isSilent = seen === seenBefore;
      seenBefore = seen;
      const message = `the log gave no event for ${stallMs} ms`;
      if (isSilent) resolve(new Fault("TIMEOUT", message, { retryable: true }));
    }, stallMs);
    const within = <Message extends { readonly seq: number }>(listener: (message: Message) => void) => {
      return (message: Message) => {
        seen = message.seq;
        if (message.seq <= end) listener(message);
        if (message.seq >= end) resolve(undefined);
      };
    };
    log
      .follow({
        fromSeq,
        onEvent: within(onEvent),
        ...(options.onUnreadable === undefined ? {} : { onUnreadable: within(options.onUnreadable) }),
        // A damaged store may have lost the last event, so the walk also ends when every stored message is read.
        onCaughtUp: () => resolve(undefined),
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

/**
 * Walks the log like {@link walkLog}, and leaves out the messages that an operator has skipped. `onUnreadable` is
 * called for each unreadable message that is not skipped.
 */
export async function walkReadable(
  log: EventLog,
  onEvent: (event: StoredEvent) => void,
  options: WalkOptions & { readonly onUnreadable: (message: UnreadableMessage) => void },
): Promise<unknown> {
  const skips = new SkippedMessages();
  for (const message of await log.readMessages(skips.streamSubject, 0)) skips.observe(message);
  const unlessSkipped = <Message extends { readonly seq: number }>(listener: (message: Message) => void) => {
    return (message: Message) => {
      if (!skips.has(message.seq)) listener(message);
    };
  };
  return walkLog(log, unlessSkipped(onEvent), {
    ...options,
    onUnreadable: unlessSkipped(options.onUnreadable),
  });
}
