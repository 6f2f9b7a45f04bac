/**
 * Selects the VMs for which an event may make a step due.
 */
import { domainEventOf, type Vm, type VmState } from "@bioxen/contracts";
import type { Aggregates, StoredEvent } from "@bioxen/kernel";

/**
 * Returns the ids of the VMs whose next step may be due after this event. Only the loss of a chassis needs a scan of
 * all VMs.
 */
export function concernedVms({ envelope }: StoredEvent, vms: Aggregates<VmState>): readonly string[] {
  const event = domainEventOf(envelope);
  if (event.kind === "vm") return [event.id];
  switch (event.type) {
    case "bioxen.ledger.reserved.v1":
      return event.data.reservations.map((r) => r.vmId);
    case "bioxen.ledger.released.v1":
    case "bioxen.ledger.expired.v1":
      return event.data.entries.map((e) => e.vmId);
    case "bioxen.ledger.resized.v1":
      return [event.data.vmId];
    case "bioxen.chassis.lost.v1":
      return vmsOn(event.id, vms);
    default:
      return [];
  }
}

/** Returns the ids of the VMs that live on the chassis, or move to it. */
function vmsOn(chassisId: string, vms: Aggregates<VmState>): readonly string[] {
  const concerned: string[] = [];
  for (const [vmId, { state }] of vms.entries()) {
    if (state.exists && isOn(chassisId, state)) concerned.push(vmId);
  }
  return concerned;
}

function isOn(chassisId: string, { chassisId: present, migration }: Vm): boolean {
  return present === chassisId || migration?.target?.chassisId === chassisId;
}
