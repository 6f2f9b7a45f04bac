/**
 * Guests whose VM was deleted outside BioXen. Each counts as failed and keeps its fence until it is stopped or
 * replaced.
 */
import type { GuestStatus } from "@bioxen/vm-driver";

export class LostGuests {
  readonly #lost = new Map<string, number>();

  add(vmId: string, fence: number): void {
    this.#lost.set(vmId, fence);
  }

  forget(vmId: string): void {
    this.#lost.delete(vmId);
  }

  fenceOf(vmId: string): number | undefined {
    return this.#lost.get(vmId);
  }

  get(vmId: string): GuestStatus | undefined {
    const fence = this.#lost.get(vmId);
    return fence === undefined ? undefined : lostGuest(vmId, fence);
  }

  list(): readonly GuestStatus[] {
    return [...this.#lost].map(([vmId, fence]) => lostGuest(vmId, fence));
  }
}

function lostGuest(vmId: string, fence: number): GuestStatus {
  return { vmId, fence, state: "failed", reason: "it was deleted from the pool, and not by BioXen" };
}
