/**
 * Following the log from far back: through a thread until the end that was seen, directly from there on.
 *
 * The thread saves time and nothing else. When it fails the rest is followed directly from the sequence it got to, which is also
 * how a server that is restarted in between is survived.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Following, type FollowOptions, messageOf } from "@bioxen/kernel";
import { CatchUp, type StartReader } from "./catch-up.ts";
import type { BusOptions } from "./dial.ts";
import type { LongRead, LongReader } from "./event-log.ts";

/** A server that is restarted is back within this, ms, or the follower is told. */
const RESUME_DEADLINE_MS = 15_000;
const RETRY_WAIT_MS = 250;

/**
 * From so many events on a thread pays: to start one takes as long as reading some ten thousand events without it.
 */
export const THREAD_FROM_EVENTS = 20_000;

export interface ReadingOptions {
  readonly bus: BusOptions;
  readonly threadFromEvents: number;
  /** The thread failed, and reading goes on without it. */
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
  const { fromSeq, onEvent, onStop } = options;
  const catchUp = new CatchUp({ ...thread, fromSeq, onEvent });
  let stopped = false;
  const goOn = async (): Promise<Following | undefined> => {
    const end = await catchUp.run();
    if (stopped || end.kind === "stopped") return undefined;
    if (end.kind === "refused") throw end.cause;
    if (end.kind === "failed") {
      const why = `the log is read on without a thread from event ${end.nextSeq} on: ${messageOf(end.cause)}`;
      thread.onTrouble?.(why, end.cause);
      options.onInterrupted?.();
    }
    // Between its stop and that of what it became nothing more is told.
    const ifWanted = <Args extends unknown[]>(tell: (...args: Args) => void) => {
      return (...args: Args) => {
        if (!stopped) tell(...args);
      };
    };
    const live = {
      ...options,
      fromSeq: end.nextSeq,
      onEvent: ifWanted(options.onEvent),
      onCaughtUp: ifWanted(options.onCaughtUp),
      onStop: ifWanted(options.onStop),
    };
    return resume(
      () => thread.direct(live),
      () => stopped,
    );
  };
  const rest = goOn().catch((cause: unknown) => {
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
