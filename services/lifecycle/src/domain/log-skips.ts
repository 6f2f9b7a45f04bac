/**
 * The rules for skipping a message of the log that no service can read.
 *
 * A skip changes what the log means for one aggregate, so it needs a reason and is recorded. A message of a newer
 * release is readable after an upgrade: its skip must be forced, and can be taken back while its aggregate has no later
 * message.
 */
import { type LogEvent, type LogState, logFold, refuse, type UnreadableView } from "@bioxen/contracts";
import { accept, type Decision, deciderOf, UNCHANGED } from "@bioxen/kernel";

export type LogCommand =
  | {
      readonly type: "skip";
      readonly message: UnreadableView;
      readonly reason: string;
      readonly by: string;
      readonly force: boolean;
    }
  | {
      readonly type: "unskip";
      readonly seq: number;
      readonly reason: string;
      readonly by: string;
      /** Sequence of a later message of the same aggregate; undefined when there is no later message. */
      readonly laterSeq: number | undefined;
    };

type LogDecision = Decision<LogEvent>;

export const logDecider = deciderOf<LogState, LogCommand, LogEvent>(logFold, {
  skip({ skipped }, { message, reason, by, force }): LogDecision {
    if (skipped[message.seq] !== undefined) return UNCHANGED;
    if (message.newer && !force) {
      return refuse(
        "CONFLICT",
        `event ${message.seq} on ${message.subject} was written by a newer BioXen: upgrade, or force the skip`,
        { details: { ...message } },
      );
    }
    return accept<LogEvent>({ type: "bioxen.log.skipped.v1", data: { ...message, reason, by } });
  },
  unskip({ skipped }, { seq, reason, by, laterSeq }): LogDecision {
    const found = skipped[seq];
    if (found === undefined) return UNCHANGED;
    if (laterSeq !== undefined) {
      return refuse(
        "CONFLICT",
        `event ${laterSeq} on ${found.subject} was appended without event ${seq}: the skip can no longer be taken back`,
        { details: { seq, laterSeq, subject: found.subject } },
      );
    }
    return accept<LogEvent>({
      type: "bioxen.log.unskipped.v1",
      data: { seq, subject: found.subject, reason, by },
    });
  },
});
