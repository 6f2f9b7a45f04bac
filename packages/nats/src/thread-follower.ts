/**
 * Follows a log from an early sequence. A thread reads the events that were stored before the follower started; the
 * main thread reads all later events.
 *
 * The thread only saves time. When the thread fails, for instance at a restart of the server, the main thread reads the
 * log from the first event that the thread has not delivered.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Following, type FollowOptions, messageOf } from "@bioxen/kernel";
import { CatchUp, type StartReader } from "./catch-up.ts";
import type { BusOptions } from "./dial.ts";
import type { LongRead, LongReader } from "./event-log.ts";

/**
 * Longest time for which the follower tries to reach a restarted server, ms. Afterwards the follower stops, and reports
 * the last error as the cause.
 */
const RESUME_DEADLINE_MS = 15_000;
const RETRY_WAIT_MS = 250;

/**
 * Smallest number of unread events for which a thread saves time. The start of a thread takes as long as reading about
 * ten thousand events without one.
 */
export const THREAD_FROM_EVENTS = 20_000;

export interface ReadingOptions {
  readonly bus: BusOptions;
  readonly threadFromEvents: number;
  /** Called with the reason when the thread has failed and the log is read on without it. */
  readonly onTrouble?: ((message: string, cause: unknown) => void) | undefined;
  readonly startReader?: StartReader | undefined;
}

export function threadReader(reading: ReadingOptions): LongReader {
  return {
    fromEvents: reading.threadFromEvents,
    follow: (options, rest) => followThroughThread(options, { ...reading, ...rest }),
  };
}

function followThroughThread(options: FollowOptions, thread: ReadingOptions & LongRead): Following {
  const { fromSeq, onStop } = options;
  const catchUp = new CatchUp({ ...thread, fromSeq, to: options });
  let stopped = false;
  const readOn = async (): Promise<Following | undefined> => {
    const end = await catchUp.run();
    if (stopped || end.kind === "stopped") return undefined;
    if (end.kind === "refused") throw end.cause;
    if (end.kind === "failed") {
      const why = `reading the log without a thread from event ${end.nextSeq} on: ${messageOf(end.cause)}`;
      thread.onTrouble?.(why, end.cause);
      options.onInterrupted?.();
    }
    // After `stop`, this follower delivers nothing, even while the direct follower is still stopping.
    const unlessStopped = <Args extends unknown[]>(listener: (...args: Args) => void) => {
      return (...args: Args) => {
        if (!stopped) listener(...args);
      };
    };
    const live = {
      ...options,
      fromSeq: end.nextSeq,
      onEvent: unlessStopped(options.onEvent),
      ...(options.onUnreadable === undefined ? {} : { onUnreadable: unlessStopped(options.onUnreadable) }),
      onCaughtUp: unlessStopped(options.onCaughtUp),
      onStop: unlessStopped(options.onStop),
    };
    return resume(
      () => thread.direct(live),
      () => stopped,
    );
  };
  const rest = readOn().catch((cause: unknown) => {
    if (!stopped) onStop(cause);
    return undefined;
  });
  return {
    async stop() {
      stopped = true;
      catchUp.stop();
      await (await rest)?.stop();
    },
  };
}

async function resume(
  follow: () => Promise<Following>,
  isStopped: () => boolean,
): Promise<Following | undefined> {
  const deadline = performance.now() + RESUME_DEADLINE_MS;
  while (!isStopped()) {
    try {
      return await follow();
    } catch (cause) {
      if (performance.now() + RETRY_WAIT_MS >= deadline) throw cause;
      await sleep(RETRY_WAIT_MS);
    }
  }
  return undefined;
}
