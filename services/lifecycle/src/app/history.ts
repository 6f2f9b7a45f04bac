/**
 * What happened to one VM, each event with the one that caused it.
 *
 * A cause of a VM's event is an event of its own, the reservation it took, or what another VM wanted that it gave way to. The
 * reservation stands in the ledger of its chassis at the sequence its fencing token names, so of each ledger only what is
 * between the VM's first place there and its last is read.
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
  for (const [vmId, untilSeq] of gaveWayTo(own)) {
    (await log.read(eventSubject("vm", vmId), 0, untilSeq)).forEach(learn);
  }
  return own.map(({ seq, envelope }) => ({
    seq,
    ...envelope,
    causedBy: known.get(envelope.causationid) ?? null,
  }));
}

/** The chassis it was on, each with the fencing tokens of its places there. */
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

/** The VMs it gave way to, each with the sequence at which it last did. */
function gaveWayTo(own: readonly StoredEvent[]): Map<string, number> {
  const others = new Map<string, number>();
  for (const { seq, envelope } of own) {
    const event = domainEventOf(envelope);
    if (event.type !== "bioxen.vm.preempted.v1" && event.type !== "bioxen.vm.displaced.v2") continue;
    if (event.data.by !== undefined) others.set(event.data.by, seq);
  }
  return others;
}
