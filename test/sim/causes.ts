/**
 * The causal chain of a start: what was reserved or deferred names an event of a VM that waited, and belongs to the chain of the command
 * that began that.
 */
import type { StoredEvent } from "@bioxen/kernel";

export class Causes {
  readonly #known = new Map<string, { readonly subject: string; readonly correlationId: string }>();

  apply({ seq, envelope }: StoredEvent, problem: (text: string) => void): void {
    const { id, type, subject, causationid, correlationid } = envelope;
    this.#known.set(id, { subject, correlationId: correlationid });
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
