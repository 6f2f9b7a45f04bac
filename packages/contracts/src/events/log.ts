/**
 * The events about the log itself: which of its messages are skipped.
 *
 * A message that no service can read stops its aggregate. When an operator skips the message, every reader of the log
 * leaves the message out. An event records the operator, the time and the reason. The skipped message stays in the log.
 */
import * as z from "zod";

/** The id of the only aggregate of kind `log`; its events are on `bioxen.evt.log.skips`. */
export const LOG_SKIPS_ID = "skips";

const skipChange = z.object({
  /** Sequence of the skipped message. */
  seq: z.int().min(1),
  /** Stream subject of the skipped message. */
  subject: z.string(),
  /** The reason that the operator gave. */
  reason: z.string(),
  /** The operator, in the operator's own words: for example user and host. */
  by: z.string(),
});

export const LOG_EVENTS = {
  /** From now on every reader leaves the message out, also when it reads the log from its beginning. */
  "bioxen.log.skipped.v1": z.object({
    ...skipChange.shape,
    /** SHA-256 of the skipped bytes, hexadecimal. */
    digest: z.string(),
    /** Why the message could not be read. */
    problem: z.string(),
    /** True when a newer release probably wrote the message. */
    newer: z.boolean(),
  }),
  /** Takes a skip back: readers fold the message again. It is allowed only for the last message of an aggregate. */
  "bioxen.log.unskipped.v1": skipChange,
} as const;

export type LogEvent = {
  [T in keyof typeof LOG_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof LOG_EVENTS)[T]> };
}[keyof typeof LOG_EVENTS];
