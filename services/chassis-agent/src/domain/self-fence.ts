/**
 * When an agent holds its guests by itself: before the rest of the cluster may place their VMs elsewhere.
 *
 * A chassis is lost after `lostAfterMs` without a heartbeat, by the scheduler's clock. An agent sends its heartbeats on the same
 * connection as its questions to the log, each question after a heartbeat: when the log answers a question, the heartbeat before
 * it has reached the server too. So from the instant the last answered question was *sent* the scheduler can have been silent
 * to us no longer than we to it, no two clocks are compared, and an agent that counts from there is the first to act.
 *
 * An answer alone is not enough: it says how far the log goes, and only who has read so far knows whose its guests are.
 *
 * What this leaves out: an agent whose questions are answered while its heartbeats are dropped on the way to the scheduler. It
 * learns of its loss from the log it still reads, about one question later; for that long a VM may run twice. And a VM that loses its
 * place for another reason than a loss (its start was not told in time, it gave way) may be elsewhere before an agent out of
 * reach holds its guest.
 */

/** How much before the loss an agent acts, as a share of the time: its own timers, the pause of each guest, clocks that drift. */
const MARGIN_PERMILLE = 150;

export function heldAfterMs(lostAfterMs: number): number {
  return Math.floor((lostAfterMs * (1000 - MARGIN_PERMILLE)) / 1000);
}

/** A question to the log: when it was sent, and where the log ended when it was answered. */
export interface Contact {
  readonly sentAtMs: number;
  readonly lastSeq: number;
}

/** The newest contact whose log has been read to its end; what is older is of no use. */
export function latestOf(present: Contact, answered: readonly Contact[], appliedSeq: number): Contact {
  let latest = present;
  for (const contact of answered) {
    if (contact.lastSeq <= appliedSeq && contact.sentAtMs > latest.sentAtMs) latest = contact;
  }
  return latest;
}

/** True when the guests must not run: nobody knows any more that they are still this agent's. */
export function mustHold(contact: Contact, nowMs: number, lostAfterMs: number): boolean {
  return nowMs - contact.sentAtMs >= heldAfterMs(lostAfterMs);
}
