/**
 * What `bioxen doctor` reports about lost events. The sources are the log record (which is stored outside of the log),
 * the state of the log's stream on the server, and a read of the log.
 */

import { messageOf } from "@bioxen/kernel";
import { holesInWords, rangesInWords, union } from "@bioxen/nats";
import { inspectionOf, noLossOf, searchGap } from "../log-inspection.ts";
import { wallClock } from "../quantities.ts";
import type { Session } from "../session.ts";
import type { Finding } from "./finding.ts";

/** Longest time for reading the log, ms. About half a million events are read in this time. */
const SEARCH_BUDGET_MS = 3_000;
const REMEDY =
  "restore a backup of the store, or go on with what is left: `bioxen up --accept-older-log` (docs/how-to/damaged-log.md)";

export async function damageFindings(session: Session): Promise<Finding[]> {
  const check = "event log";
  const inspection = await inspectionOf(session);
  if (inspection === undefined) return [{ check, verdict: "warn", found: "its record cannot be read" }];
  const { state, records, damage } = inspection;
  if (damage !== undefined) return [{ check, verdict: "fail", found: damage.problem, remedy: REMEDY }];
  if (state === undefined) return [];
  try {
    const { gap, complete, checkedSeq } = await searchGap(
      await session.eventLog(),
      noLossOf(inspection),
      SEARCH_BUDGET_MS,
    );
    if (gap !== undefined) return [{ check, verdict: "fail", found: holesInWords([gap]), remedy: REMEDY }];
    const given = records.flatMap(({ missing }) => missing).filter(([from]) => from <= state.readableSeq);
    const missing = given.length === 0 ? "none is missing" : `${rangesInWords(union(given, []))} given up`;
    const found = `up to ${state.readableSeq}, created ${wallClock(Date.parse(state.created))}, ${missing}`;
    return [
      {
        check,
        verdict: "ok",
        found: complete ? found : `${found} (read up to ${checkedSeq}; events verify reads the rest)`,
      },
    ];
  } catch (thrown) {
    return [{ check, verdict: "fail", found: messageOf(thrown), remedy: "see the log of the server" }];
  }
}
