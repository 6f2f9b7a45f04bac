/**
 * The causal chain of a start: what was reserved or deferred names an event of a VM that waited, and belongs to the chain of the command
 * that began that.
 */
import type { StoredEvent } from "@bioxen/kernel";

/** After these a VM's move waits for no place any more. */
const MOVE_ENDS: readonly string[] = [
  "bioxen.vm.migrating.v1",
  "bioxen.vm.migration-cancelled.v1",
  "bioxen.vm.stop-requested.v1",
  "bioxen.vm.displaced.v2",
  "bioxen.vm.failed.v1",
  "bioxen.vm.preempted.v1",
];

export class Causes {
  readonly #known = new Map<string, { readonly subject: string; readonly correlationId: string }>();

  /** Moves that wait for a place, by subject: what asked for each. */
  readonly #moves = new Map<string, string>();

  apply({ seq, envelope }: StoredEvent, problem: (text: string) => void): void {
    const { id, type, subject, causationid, correlationid } = envelope;
    this.#known.set(id, { subject, correlationId: correlationid });
    if (type === "bioxen.vm.migration-requested.v1") this.#moves.set(subject, id);
    else if (MOVE_ENDS.includes(type)) this.#moves.delete(subject);
    const move = this.#moves.get(subject);
    if (type === "bioxen.vm.deferred.v1" && move !== undefined && causationid !== move) {
      problem(`a move was deferred at ${seq} because of ${causationid}, it was asked for by ${move}`);
    }
    if (type !== "bioxen.vm.deferred.v1" && type !== "bioxen.ledger.reserved.v1") return;
    const cause = this.#known.get(causationid);
    if (cause === undefined || !isCauseOf(envelope, cause.subject) || cause.correlationId !== correlationid) {
      problem(`${type} at ${seq} is caused by ${causationid} of ${cause?.subject ?? "nothing known"}`);
    }
  }
}

/** Whether a cause may be of `subject`. A VM of the batch that found no room any more may be the cause of the others' reservations. */
function isCauseOf(event: { readonly type: string; readonly subject: string }, subject: string): boolean {
  return event.type === "bioxen.vm.deferred.v1" ? subject === event.subject : subject.startsWith("vm/");
}
