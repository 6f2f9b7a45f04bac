/**
 * The rule of fences, which every driver uses. It decides which calls act for the current reservation.
 *
 * A fence is the stream sequence of a reservation, so a later reservation has a larger fence. Calls can be delayed and
 * repeated, and reach the driver in any order. The comparison with the guest's fence tells a repeated call from a stale
 * call. After a stop there is no guest to compare with, and a delayed start would create a guest without a reservation.
 * Therefore the fences of stops are remembered, for the latest {@link MAX_REMEMBERED_STOPS} VMs.
 *
 * A restarted driver has lost these fences. The agent then reads the log again, and starts no guest whose reservation
 * was released.
 */
import { DriverError } from "./driver-error.ts";

/**
 * Maximum number of remembered stops, about 100 bytes each. After more stops than this, a delayed start could create a
 * guest without a reservation. The agent finds such a guest when it compares guests with allocations.
 */
export const MAX_REMEMBERED_STOPS = 10_000;

export class Fences {
  readonly #stops = new Map<string, number>();

  /**
   * Decides what a start with `fence` must do. `held` is the fence of the present guest, undefined without a guest.
   * Returns `same` if this guest already runs under `fence`, and `new` if a guest must be started, possibly as a
   * replacement. Throws `STALE_FENCE` if the VM has a guest with a newer fence, or a stop with this fence or a newer
   * one.
   */
  start(vmId: string, fence: number, held: number | undefined): "same" | "new" {
    requireFence(fence);
    if (held !== undefined && fence === held) return "same";
    const newest = Math.max(held ?? 0, this.#stops.get(vmId) ?? 0);
    if (fence <= newest) throw stale(vmId, fence, newest);
    return "new";
  }

  /**
   * Checks that the present guest has this fence. Throws `STALE_FENCE` if the guest's fence is newer, else
   * `GUEST_NOT_FOUND`.
   */
  touch(vmId: string, fence: number, held: number | undefined): void {
    requireFence(fence);
    if (held === undefined) throw notFound(vmId);
    if (fence < held) throw stale(vmId, fence, held);
    if (fence > held) throw notFound(vmId);
  }

  /** Remembers the fence of a stop of the VM. Throws `STALE_FENCE` if the present guest has a newer fence. */
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
  return new DriverError("STALE_FENCE", `fence ${fence} of "${vmId}" is stale: the newest is ${newest}`, {
    details: { vmId, fence, newest },
  });
}

function notFound(vmId: string): DriverError {
  return new DriverError("GUEST_NOT_FOUND", `no guest "${vmId}" with this fence runs here`, {
    details: { vmId },
  });
}
