/**
 * The log of one VM, each event with the event that caused it.
 *
 * The cause of a VM's event is another event of the VM, the reservation of its place, or an event of the VM that
 * preempted it. A fencing token is the sequence of its reservation in the ledger. Each ledger is therefore read only
 * from the VM's first reservation to the VM's last reservation there.
 */
import { domainEventOf, eventSubject, type ResultOf } from "@bioxen/contracts";
import type { EventLog, StoredEvent } from "@bioxen/kernel";

type History = ResultOf<"vmHistory">["events"];
type EventReference = NonNullable<History[number]["causedBy"]>;

export async function historyOf(log: EventLog, own: readonly StoredEvent[]): Promise<History> {
  const known = new Map<string, EventReference>();
  const learn = ({ seq, envelope: { id, type, subject } }: StoredEvent) =>
    void known.set(id, { seq, type, subject });
  own.forEach(learn);
  for (const [chassisId, fences] of placesOf(own)) {
    const ledger = eventSubject("ledger", chassisId);
    (await log.read(ledger, Math.min(...fences) - 1, Math.max(...fences))).forEach(learn);
  }
  for (const [vmId, untilSeq] of preemptorsOf(own)) {
    (await log.read(eventSubject("vm", vmId), 0, untilSeq)).forEach(learn);
  }
  return own.map(({ seq, envelope }) => ({
    seq,
    ...envelope,
    causedBy: known.get(envelope.causationid) ?? null,
  }));
}

/** Returns every chassis that the VM lived on, with the fencing tokens of the VM's places there. */
function placesOf(own: readonly StoredEvent[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const { envelope } of own) {
    const event = domainEventOf(envelope);
    if (event.type !== "bioxen.vm.placed.v1") continue;
    const { chassisId, fence } = event.data;
    places.set(chassisId, [...(places.get(chassisId) ?? []), fence]);
  }
  return places;
}

/** Returns the VMs that preempted this one, each with the sequence of its last preemption of this VM. */
function preemptorsOf(own: readonly StoredEvent[]): Map<string, number> {
  const preemptors = new Map<string, number>();
  for (const { seq, envelope } of own) {
    const event = domainEventOf(envelope);
    if (event.type !== "bioxen.vm.preempted.v1" && event.type !== "bioxen.vm.displaced.v2") continue;
    if (event.data.by !== undefined) preemptors.set(event.data.by, seq);
  }
  return preemptors;
}
