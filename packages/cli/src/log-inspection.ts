/**
 * What the server and the record outside of the log say of the event log, for `events verify` and `doctor`.
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

/** Returns the file with the second record of the log, when the server is that of the local stack. */
export async function recordFileOf(session: Session): Promise<string | undefined> {
  const stack = await findLocalStack();
  return stack !== undefined && stack.url === session.server
    ? join(stack.dataDir, LOG_RECORD_FILE)
    : undefined;
}

/** Returns the inspection; undefined for a login that may not read the record, or the state of the stream. */
export async function inspectionOf(session: Session): Promise<Inspection | undefined> {
  return inspectLog(session.bus, await recordFileOf(session)).catch(() => undefined);
}

/** Returns a predicate for missing sequences that are no loss: never acknowledged, or given up by an operator. */
export function noLossOf(inspection: Inspection | undefined): (seq: number) => boolean {
  const { state, records = [] } = inspection ?? {};
  const acknowledged = Math.max(state?.readableSeq ?? 0, ...records.map(({ lastSeq }) => lastSeq));
  return (seq) => seq > acknowledged || records.some(({ missing }) => inRanges(seq, missing));
}

export interface GapSearch {
  /** The first missing sequences that are a loss; undefined when there are none up to `checkedSeq`. */
  readonly gap: SequenceRange | undefined;
  readonly checkedSeq: number;
  readonly complete: boolean;
}

/**
 * Reads the log for gaps, for at most `budgetMs`. The read finds losses that the figures of the server hide: the server
 * still counts an event with damaged bytes, but does not deliver it.
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
