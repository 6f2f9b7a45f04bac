/**
 * Checks the causal chain of a start: a reservation or deferral names an event of a waiting VM as its cause, and has
 * the correlation id of the command that began the wait.
 */
import type { StoredEvent } from "@bioxen/kernel";

/** Events that end the wait of a VM's move for a place. */
const MOVE_ENDS: readonly string[] = [
  "bioxen.vm.migrating.v1",
  "bioxen.vm.migration-cancelled.v1",
  "bioxen.vm.stop-requested.v1",
  "bioxen.vm.displaced.v2",
  "bioxen.vm.failed.v1",
  "bioxen.vm.preempted.v1",
];

/** The cause of what a foreign client sends. It sends the headers it likes, so its requests are in no chain. */
export const FORGED_CAUSE = "forged";

export class Causes {
  readonly #known = new Map<string, { readonly subject: string; readonly correlationId: string }>();

  /** The event that requested each move that waits for a place, by subject. */
  readonly #moves = new Map<string, string>();

  apply({ seq, envelope }: StoredEvent, problem: (text: string) => void): void {
    const { id, type, subject, causationid, correlationid } = envelope;
    this.#known.set(id, { subject, correlationId: correlationid });
    if (type === "bioxen.vm.migration-requested.v1") this.#moves.set(subject, id);
    else if (MOVE_ENDS.includes(type) || isStopAtLastMinute(envelope)) this.#moves.delete(subject);
    const move = this.#moves.get(subject);
    if (type === "bioxen.vm.deferred.v1" && move !== undefined && causationid !== move) {
      problem(
        `the deferral of a move at ${seq} has the cause ${causationid}, the move was requested by ${move}`,
      );
    }
    if (type !== "bioxen.vm.deferred.v1" && type !== "bioxen.ledger.reserved.v1") return;
    if (causationid === FORGED_CAUSE) return;
    const cause = this.#known.get(causationid);
    if (cause === undefined || !isCauseOf(envelope, cause.subject) || cause.correlationId !== correlationid) {
      problem(`${type} at ${seq} has the cause ${causationid} of ${cause?.subject ?? "an unknown subject"}`);
    }
  }
}

/** Returns true for the event of a VM that stops at the last minute of its cell. */
function isStopAtLastMinute({ type, data }: StoredEvent["envelope"]): boolean {
  return type === "bioxen.vm.until-reached.v1" && (data as { then: string }).then === "stop";
}

/**
 * Whether `subject` may be the cause. The cause of a reservation may be another VM of the batch, one that no longer
 * found room.
 */
function isCauseOf(event: { readonly type: string; readonly subject: string }, subject: string): boolean {
  return event.type === "bioxen.vm.deferred.v1" ? subject === event.subject : subject.startsWith("vm/");
}
