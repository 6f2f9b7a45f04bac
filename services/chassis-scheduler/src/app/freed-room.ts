/**
 * When room came to each chassis: a change that lets a VM start which the host refused for lack of room.
 *
 * The reservation of a refused start is released as well, but frees nothing: its guest never ran. Kept in memory only.
 * Without it a refused VM waits for the time that its refusal names.
 */
import { domainEventOf, type VmState } from "@bioxen/contracts";
import type { ReadModel, StoredEvent } from "@bioxen/kernel";

export class FreedRoom {
  readonly #vms: Pick<ReadModel<VmState>, "get">;
  /** By chassis id, the sequence of the last event that freed room there. */
  readonly #seqs = new Map<string, number>();

  constructor(vms: Pick<ReadModel<VmState>, "get">) {
    this.#vms = vms;
  }

  /** Call it after each event, once the folds have applied it. */
  note({ envelope, seq }: StoredEvent): void {
    const event = domainEventOf(envelope);
    switch (event.type) {
      case "bioxen.ledger.capacity-changed.v1":
      case "bioxen.ledger.resized.v1":
        this.#seqs.set(event.id, seq);
        return;
      case "bioxen.ledger.released.v1":
        if (event.data.entries.some(({ vmId, fence }) => !this.#wasRefused(vmId, fence))) {
          this.#seqs.set(event.id, seq);
        }
        return;
      default:
        return;
    }
  }

  #wasRefused(vmId: string, fence: number): boolean {
    const vm = this.#vms.get(vmId);
    return vm.exists && vm.refusedStart?.fence === fence;
  }

  /** Returns true when room came to the chassis after the event with this sequence. */
  hasRoomSince(chassisId: string, seq: number): boolean {
    return (this.#seqs.get(chassisId) ?? 0) > seq;
  }
}
