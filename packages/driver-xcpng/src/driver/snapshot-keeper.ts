/**
 * Takes, lists and removes the snapshots of machines, which stay in the pool. `snapshots.ts` restores machines from
 * them.
 */
import type { GuestCheckpoint, SnapshotKeeper } from "@bioxen/vm-driver";
import type { Cells } from "./cells.ts";
import type { MachineOperations } from "./machine-operations.ts";
import type { PoolLink } from "./pool-link.ts";
import { checkpointNaming } from "./snapshots.ts";

export class PoolSnapshots implements SnapshotKeeper {
  readonly #pool: PoolLink;
  readonly #operations: MachineOperations;
  readonly #cells: Pick<Cells, "checkpoint">;

  constructor(pool: PoolLink, operations: MachineOperations, cells: Pick<Cells, "checkpoint">) {
    this.#pool = pool;
    this.#operations = operations;
    this.#cells = cells;
  }

  async take(vmId: string, fence: number, name: string): Promise<GuestCheckpoint> {
    let simMinutes = 0;
    await this.#operations.onGuest(vmId, fence, "snapshotting", async (vm) => {
      const isTaken = this.#find(vmId, name) !== undefined;
      const cellMinutes = isTaken ? undefined : await this.#cells.checkpoint(vm);
      simMinutes = Math.floor(cellMinutes ?? this.#pool.statistics.sample(vm).simMinutes);
      if (!isTaken) await this.#pool.snapshots.take(vm, name);
    });
    return { bytes: checkpointNaming(name), simMinutes };
  }

  list() {
    return this.#operations.isClosed ? [] : this.#staying(this.#pool.inventory.snapshots());
  }

  of(vmId: string) {
    return this.#operations.isClosed ? [] : this.#staying(this.#pool.inventory.snapshotsOf(vmId));
  }

  async drop(vmId: string, name: string): Promise<void> {
    this.#operations.requireOpen();
    await this.#operations.inTurn(vmId, `removing a snapshot of ${vmId}`, async () => {
      const snapshot = this.#find(vmId, name);
      if (snapshot !== undefined) await this.#pool.removal.discard("snapshot", snapshot.ref);
    });
  }

  #find(vmId: string, name: string) {
    return this.#staying(this.#pool.inventory.snapshotsOf(vmId)).find((one) => one.name === name);
  }

  /** Returns the snapshots without those that are being removed. */
  #staying<T extends { readonly ref: string }>(snapshots: readonly T[]): readonly T[] {
    return snapshots.filter(({ ref }) => !this.#pool.removal.isLeaving(ref));
  }
}
