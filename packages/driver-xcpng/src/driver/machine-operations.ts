/**
 * Runs operations on machines one at a time per VM, and only for the reservation that the operation's fence identifies.
 *
 * After a failed operation the pool may differ from the inventory. The next operation on that VM therefore reads all
 * VMs first.
 */
import { DriverError, driverErrorCode, Fences } from "@bioxen/vm-driver";
import { asDriverError } from "./failures.ts";
import { guestOf, type OwnVm } from "./inventory.ts";
import { LostGuests } from "./lost-guests.ts";
import type { PoolLink } from "./pool-link.ts";
import { Shutdowns } from "./shutdowns.ts";

interface Start {
  readonly fence: number;
  readonly abort: AbortController;
}

export class MachineOperations {
  readonly fences = new Fences();
  readonly lost = new LostGuests();
  readonly shutdowns = new Shutdowns();
  readonly #pool: PoolLink;
  readonly #hasFailed: (vm: OwnVm) => boolean;
  readonly #starts = new Map<string, Start>();
  /** VMs whose latest operation failed. */
  readonly #uncertain = new Set<string>();
  #isClosed = false;

  /** `hasFailed` says whether the VM has a guest, and this guest has failed. */
  constructor(pool: PoolLink, hasFailed: (vm: OwnVm) => boolean) {
    this.#pool = pool;
    this.#hasFailed = hasFailed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Throws `UNAVAILABLE` once the driver is closed. */
  requireOpen(): void {
    if (this.#isClosed) throw new DriverError("UNAVAILABLE", "the driver is closed");
  }

  /** Aborts every start in progress. From then on, new operations are rejected. */
  close(): void {
    this.#isClosed = true;
    for (const { abort } of this.#starts.values()) abort.abort();
  }

  /**
   * Returns the newest fence of this VM. The fence can belong to the VM's guest in the pool, to its start in progress,
   * or to its guest that was deleted outside BioXen. Returns undefined if the VM has no fence.
   */
  heldFence(vmId: string): number | undefined {
    const vm = this.#pool.inventory.own(vmId);
    const fences = [
      vm === undefined ? undefined : guestOf(vm)?.fence,
      this.lost.fenceOf(vmId),
      this.#starts.get(vmId)?.fence,
    ].filter((fence) => fence !== undefined);
    return fences.length === 0 ? undefined : Math.max(...fences);
  }

  /**
   * Runs `work` after the VM's earlier operations, and once the pool is connected. Rejects with a `DriverError` whose
   * message names the operation by `what`.
   */
  inTurn(vmId: string, what: string, work: () => Promise<void>): Promise<void> {
    return this.#pool.queue.run(vmId, async () => {
      try {
        this.requireOpen();
        await this.#pool.whenReady();
        if (this.#uncertain.has(vmId)) await this.#pool.reads.fetchAll();
        this.#uncertain.delete(vmId);
        await work();
      } catch (thrown) {
        this.#uncertain.add(vmId);
        throw asDriverError(thrown, what);
      }
    });
  }

  /**
   * Runs `work` on the guest with this fence, after the VM's earlier operations. Rejects when the VM has no guest with
   * this fence, or when that guest has failed.
   */
  async onGuest(
    vmId: string,
    fence: number,
    what: string,
    work: (vm: OwnVm) => Promise<void>,
  ): Promise<void> {
    this.requireOpen();
    this.fences.touch(vmId, fence, this.heldFence(vmId));
    await this.inTurn(vmId, `${what} ${vmId}`, async () => {
      this.#touchAgain(vmId, fence);
      const vm = this.#pool.inventory.own(vmId);
      if (vm === undefined || this.#hasFailed(vm)) {
        throw new DriverError("INVALID_STATE", `"${vmId}" has failed: stop it, then start it again`);
      }
      await work(vm);
      await this.#pool.reads.settle(vm.ref);
    });
  }

  /**
   * Checks the fence once more, after the VM's earlier operations. A guest that has ended meanwhile is a retryable
   * `UNAVAILABLE`: the caller decided on an outdated list of guests, and must decide again.
   */
  #touchAgain(vmId: string, fence: number): void {
    try {
      this.fences.touch(vmId, fence, this.heldFence(vmId));
    } catch (thrown) {
      if (driverErrorCode(thrown) !== "GUEST_NOT_FOUND") throw thrown;
      throw new DriverError("UNAVAILABLE", `"${vmId}" has no guest any more`, { cause: thrown });
    }
  }

  /**
   * Runs `work`, which starts a guest; {@link abortStart} can abort it. Rejects with `INVALID_STATE` after an abort.
   */
  async starting(vmId: string, fence: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const abort = new AbortController();
    this.#starts.set(vmId, { fence, abort });
    try {
      await work(abort.signal);
    } catch (thrown) {
      if (!abort.signal.aborted) throw thrown;
      throw new DriverError("INVALID_STATE", `"${vmId}" was stopped during its start`, { cause: thrown });
    } finally {
      this.#starts.delete(vmId);
    }
  }

  /** Aborts the VM's current start, unless it belongs to a newer reservation than `fence`. */
  abortStart(vmId: string, fence: number): void {
    const start = this.#starts.get(vmId);
    if (start !== undefined && start.fence <= fence) start.abort.abort();
  }
}
