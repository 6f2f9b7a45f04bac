/**
 * Which streams a backup has, and how each is copied. Everything else on the server is a cache, belongs to running
 * processes, or follows from the log (docs/how-to/backup.md lists it with the reasons).
 */
import {
  COURSE_STREAM,
  DEAD_LETTER_STREAM,
  EVENT_STREAM,
  GUEST_STATE_STREAM,
  JOB_OUTCOME_STREAM,
  JOB_STREAM,
} from "@bioxen/contracts";

/**
 * - `log`: the event log up to one sequence. An increment adds what is new.
 * - `objects`: one message for each name, whose content never changes. An increment adds what is new, and leaves out
 *   what was deleted.
 * - `records`: few messages that come and go; each backup copies all of them.
 */
export type StreamKind = "log" | "objects" | "records";

export interface BackedUpStream {
  readonly name: string;
  readonly kind: StreamKind;
}

/**
 * In the order in which a backup reads them: a durable command that is carried out meanwhile is then among the outcomes
 * too, and a restore leaves it out of the queue.
 */
export const BACKED_UP_STREAMS: readonly BackedUpStream[] = [
  { name: JOB_STREAM, kind: "records" },
  { name: JOB_OUTCOME_STREAM, kind: "records" },
  { name: DEAD_LETTER_STREAM, kind: "records" },
  { name: COURSE_STREAM, kind: "objects" },
  { name: GUEST_STATE_STREAM, kind: "objects" },
  { name: EVENT_STREAM, kind: "log" },
];
