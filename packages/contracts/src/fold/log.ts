/** Folds the events about the log into the list of its skipped messages. */
import type { Fold } from "@bioxen/kernel";
import type { LogEvent } from "../events/log.ts";

type Skipped = Extract<LogEvent, { readonly type: "bioxen.log.skipped.v1" }>["data"];

/** A skipped message, and the instant of the decision to skip it, epoch ms. */
export type SkippedMessage = Skipped & { readonly atMs: number };

export interface LogState {
  /** The skipped messages; the key is the sequence. */
  readonly skipped: Readonly<Record<string, SkippedMessage>>;
}

export const logFold: Fold<LogState> = {
  schema: 2,
  initial: Object.freeze({ skipped: {} }),
  evolve(state, untyped, at) {
    const event = untyped as LogEvent;
    switch (event.type) {
      case "bioxen.log.skipped.v1":
        return { skipped: { ...state.skipped, [event.data.seq]: { ...event.data, atMs: at.atMs } } };
      case "bioxen.log.unskipped.v1": {
        const { [event.data.seq]: _, ...skipped } = state.skipped;
        return { skipped };
      }
    }
  },
};
