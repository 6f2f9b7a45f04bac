/**
 * The causal chain of a start: what was reserved or deferred names an event of a VM it is about, and belongs to the chain of the
 * command that began that.
 */
import type { LedgerEvent } from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";

export class Causes {
  readonly #known = new Map<string, { readonly subject: string; readonly correlationId: string }>();

  apply({ seq, envelope }: StoredEvent, problem: (text: string) => void): void {
    const { id, subject, causationid, correlationid } = envelope;
    this.#known.set(id, { subject, correlationId: correlationid });
    const about = aboutVms(envelope as unknown as LedgerEvent, subject);
    if (about === undefined) return;
    const cause = this.#known.get(causationid);
    if (cause === undefined || !about.has(cause.subject) || cause.correlationId !== correlationid) {
      problem(
        `${envelope.type} at ${seq} is caused by ${causationid} of ${cause?.subject ?? "nothing known"}`,
      );
    }
  }
}

/** Subjects of the VMs whose events may be the cause; undefined: of no interest here. */
function aboutVms(event: LedgerEvent | { readonly type: "bioxen.vm.deferred.v1" }, subject: string) {
  if (event.type === "bioxen.vm.deferred.v1") return new Set([subject]);
  if (event.type !== "bioxen.ledger.reserved.v1") return undefined;
  return new Set(event.data.reservations.map(({ vmId }) => `vm/${vmId}`));
}
