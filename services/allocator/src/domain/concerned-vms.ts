/**
 * The VMs that an event of a ledger is about.
 */
import type { LedgerEvent } from "@bioxen/contracts";

/** Returns the ids of the VMs that the event names; empty for an event about the chassis alone. */
export function vmsOf({ type, data }: LedgerEvent): readonly string[] {
  switch (type) {
    case "bioxen.ledger.reserved.v1":
      return data.reservations.map(({ vmId }) => vmId);
    case "bioxen.ledger.committed.v1":
    case "bioxen.ledger.released.v1":
    case "bioxen.ledger.expired.v1":
      return data.entries.map(({ vmId }) => vmId);
    case "bioxen.ledger.resized.v1":
      return [data.vmId];
    default:
      return [];
  }
}
