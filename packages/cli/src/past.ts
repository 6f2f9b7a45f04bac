/**
 * The state of the whole cluster after one event, for the commands.
 */
import { type PastOptions, type PastState, pastState } from "@bioxen/contracts";
import type { EventLog } from "@bioxen/kernel";
import { CommandEnd, EXIT_REFUSED, usage } from "./outcome.ts";

export type { PastState } from "@bioxen/contracts";

/**
 * Ends the command with an error unless the log has an event with sequence `seq`. With `orNext`, the sequence after the
 * last event is valid too.
 */
export async function requireInLog(
  log: Pick<EventLog, "lastSeq">,
  seq: number,
  orNext = false,
): Promise<void> {
  if (seq < 1) throw usage(`invalid sequence ${seq}: the first is 1`);
  const lastSeq = await log.lastSeq();
  if (seq <= (orNext ? lastSeq + 1 : lastSeq)) return;
  const end = lastSeq === 0 ? "the log is empty" : `the log ends at #${lastSeq}`;
  const message = `event #${seq} does not exist: ${end}`;
  const error = { code: "BAD_REQUEST", message, retryable: false, details: { lastSeq } };
  throw new CommandEnd(EXIT_REFUSED, message, error);
}

/** Returns the state after the event `atSeq`, which the log must have; with 0, before the first event. */
export async function stateAt(log: EventLog, atSeq: number, options: PastOptions): Promise<PastState> {
  if (atSeq !== 0) await requireInLog(log, atSeq);
  return pastState(log, atSeq, options);
}
