/**
 * Decides when an agent without contact to the log must hold (pause) its guests: before the rest of the cluster may
 * place their VMs on other chassis.
 *
 * A chassis counts as lost after `lostAfterMs` without a heartbeat, by the scheduler's clock. The agent sends a
 * heartbeat and then a query to the log, on the same connection. An answered query proves that the server received the
 * heartbeat before the query. So the silence that the scheduler measures began no earlier than the instant at which the
 * last answered query was *sent*. An agent that counts from that instant acts before the scheduler, and no two clocks
 * are compared.
 *
 * An answer alone is not enough: it says where the log ends. The agent knows which guests are still its own only once
 * it has applied the log up to that sequence.
 *
 * Two cases are not covered. First, queries can be answered while heartbeats are lost on the way to the scheduler. The
 * agent then reads in the log that its chassis is lost, about one query later; until then a VM may run twice. Second, a
 * VM can lose its reservation for another reason: its start was reported too late, or the VM was preempted. The VM may
 * then run elsewhere before an unreachable agent holds its guest.
 */

/**
 * An agent holds its guests this much earlier than its chassis counts as lost, in permille of `lostAfterMs`. The margin
 * covers late timers, the time to pause each guest, and clock drift.
 */
const MARGIN_PERMILLE = 150;

/** Returns the time without contact to the log after which an agent holds its guests, ms. */
export function heldAfterMs(lostAfterMs: number): number {
  return Math.floor((lostAfterMs * (1000 - MARGIN_PERMILLE)) / 1000);
}

/**
 * An answered query to the log: the instant at which the query was sent (ms of the monotonic clock), and the log's last
 * sequence according to the answer.
 */
export interface Contact {
  readonly sentAtMs: number;
  readonly lastSeq: number;
}

/**
 * Returns the answered query that was sent last. The candidates are `present`, and every element of `answered` whose
 * `lastSeq` is at most `appliedSeq`.
 */
export function latestOf(present: Contact, answered: readonly Contact[], appliedSeq: number): Contact {
  let latest = present;
  for (const contact of answered) {
    if (contact.lastSeq <= appliedSeq && contact.sentAtMs > latest.sentAtMs) latest = contact;
  }
  return latest;
}

/** Returns true when guests must not run, because they may no longer belong to this agent. */
export function mustHold(contact: Contact, nowMs: number, lostAfterMs: number): boolean {
  return nowMs - contact.sentAtMs >= heldAfterMs(lostAfterMs);
}
