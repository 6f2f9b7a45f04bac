/**
 * Which calls act for the reservation that counts: the one rule of fences, shared by every driver.
 *
 * A fence is the stream sequence of a reservation, so a later decision always has the larger one. Calls travel, wait and
 * are repeated; the driver sees them in any order. Comparing numbers is enough to tell a repeat from a leftover, with
 * one exception: after a stop there is no guest left to compare with, and a start that was under way would make a
 * ghost. So the fence of a stop is remembered, for the latest {@link MAX_REMEMBERED_STOPS} VMs.
 *
 * What can go wrong: a driver that restarts forgets. The agent re-reads the log then, and starts nothing that is released.
 */
import { DriverError } from "./driver-error.ts";

/**
 * Entries, about 100 bytes each. A start delayed behind this many stops of other VMs could make a ghost, which the
 * agent's comparison of guests with allocations finds.
 */
export const MAX_REMEMBERED_STOPS = 10_000;

export class Fences {
  readonly #stops = new Map<string, number>();

  /**
   * What a start with `fence` means where a guest with `held` is here: `same`, it runs already; `new`, also as a
   * replacement. Throws `STALE_FENCE` when a newer reservation, or a stop of this one, was seen before.
   */
  start(vmId: string, fence: number, held: number | undefined): "same" | "new" {
    requireFence(fence);
    if (held !== undefined && fence === held) return "same";
    const newest = Math.max(held ?? 0, this.#stops.get(vmId) ?? 0);
    if (fence <= newest) throw stale(vmId, fence, newest);
    return "new";
  }

  /** Throws unless the guest that is here is the one meant: `GUEST_NOT_FOUND` or `STALE_FENCE`. */
  touch(vmId: string, fence: number, held: number | undefined): void {
    requireFence(fence);
    if (held === undefined) throw notFound(vmId);
    if (fence < held) throw stale(vmId, fence, held);
    if (fence > held) throw notFound(vmId);
  }

  /** Remembers the stop. Throws `STALE_FENCE` when the guest that is here is newer. */
  stop(vmId: string, fence: number, held: number | undefined): void {
    requireFence(fence);
    if (held !== undefined && fence < held) throw stale(vmId, fence, held);
    const newest = Math.max(fence, this.#stops.get(vmId) ?? 0);
    this.#stops.delete(vmId);
    this.#stops.set(vmId, newest);
    if (this.#stops.size <= MAX_REMEMBERED_STOPS) return;
    const oldest = this.#stops.keys().next();
    if (oldest.done !== true) this.#stops.delete(oldest.value);
  }
}

function requireFence(fence: number): void {
  if (Number.isSafeInteger(fence) && fence > 0) return;
  throw new DriverError("BAD_REQUEST", `fence ${fence} is not a positive integer`);
}

function stale(vmId: string, fence: number, newest: number): DriverError {
  return new DriverError("STALE_FENCE", `fence ${fence} of "${vmId}" is behind ${newest}`, {
    details: { vmId, fence, newest },
  });
}

function notFound(vmId: string): DriverError {
  return new DriverError("GUEST_NOT_FOUND", `no guest "${vmId}" of this fence runs here`, {
    details: { vmId },
  });
}
