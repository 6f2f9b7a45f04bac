/** Looks up reservations in the log, so that a driver can tell whether this very log made the reservation of a machine. */
import { type EventLog, isUnreadable } from "@bioxen/kernel";

const RESERVED = "bioxen.ledger.reserved.v1";

/**
 * Resolves with the id of the event with the sequence `fence` if it reserves resources for this VM, else with undefined.
 * Rejects with `Fault` UNAVAILABLE while the log is unreachable.
 */
export async function reservationIn(
  log: Pick<EventLog, "messageAt">,
  vmId: string,
  fence: number,
): Promise<string | undefined> {
  const message = await log.messageAt(fence);
  if (message === undefined || isUnreadable(message)) return undefined;
  const { id, type, data } = message.envelope;
  if (type !== RESERVED) return undefined;
  const { reservations } = data as { readonly reservations: readonly { readonly vmId: string }[] };
  return reservations.some((one) => one.vmId === vmId) ? id : undefined;
}
