/**
 * Finds lost events for `events verify` and `doctor`. The sources are the state of the log's stream on the server, and
 * the log record, which is stored outside of the log.
 */
import { join } from "node:path";
import { type EventLog, Fault } from "@bioxen/kernel";
import {
  findLocalStack,
  type Inspection,
  inRanges,
  inspectLog,
  LOG_RECORD_FILE,
  type SequenceRange,
} from "@bioxen/nats";
import type { Session } from "./session.ts";

/**
 * Returns the path of the file with the second copy of the log record. Only a local stack has this file; for another
 * server, returns undefined.
 */
export async function recordFileOf(session: Session): Promise<string | undefined> {
  const stack = await findLocalStack();
  return stack !== undefined && stack.url === session.server
    ? join(stack.dataDir, LOG_RECORD_FILE)
    : undefined;
}

/**
 * Returns the log record, the state of the stream, and any damage that a comparison of the two shows. Returns undefined
 * when the record or the state cannot be read, for instance because the login lacks the permission.
 */
export async function inspectionOf(session: Session): Promise<Inspection | undefined> {
  return inspectLog(session.bus, await recordFileOf(session)).catch(() => undefined);
}

/**
 * Returns a function that tells whether a missing sequence is no loss: its event was never acknowledged, or an operator
 * accepted its loss.
 */
export function noLossOf(inspection: Inspection | undefined): (seq: number) => boolean {
  const { state, records = [] } = inspection ?? {};
  const acknowledged = Math.max(state?.readableSeq ?? 0, ...records.map(({ lastSeq }) => lastSeq));
  return (seq) => seq > acknowledged || records.some(({ missing }) => inRanges(seq, missing));
}

export interface GapSearch {
  /** The first gap in the sequences that is a loss; undefined when no event up to `checkedSeq` is lost. */
  readonly gap: SequenceRange | undefined;
  readonly checkedSeq: number;
  readonly complete: boolean;
}

/**
 * Reads the log and looks for gaps, for at most `budgetMs`. This also finds lost events that the server's statistics do
 * not show: the server still counts an event with damaged bytes, but does not deliver this event.
 */
export async function searchGap(
  log: EventLog,
  isNoLoss: (seq: number) => boolean,
  budgetMs: number,
): Promise<GapSearch> {
  let checkedSeq = 0;
  let stop: () => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const found = await new Promise<Pick<GapSearch, "gap" | "complete">>((resolve, reject) => {
    timer = setTimeout(() => resolve({ gap: undefined, complete: false }), budgetMs);
    const take = ({ seq }: { readonly seq: number }) => {
      for (let missing = checkedSeq + 1; missing < seq; missing += 1) {
        if (!isNoLoss(missing)) return resolve({ gap: [missing, seq - 1], complete: false });
      }
      checkedSeq = Math.max(checkedSeq, seq);
    };
    log
      .follow({
        fromSeq: 1,
        onEvent: take,
        onUnreadable: take,
        onCaughtUp: () => resolve({ gap: undefined, complete: true }),
        onStop: (cause) => reject(cause ?? new Fault("UNAVAILABLE", "the log ended", { retryable: true })),
      })
      .then((following) => {
        stop = () => void following.stop();
      }, reject);
  });
  clearTimeout(timer);
  stop();
  return { ...found, checkedSeq };
}
