/**
 * Which VMs occupy a chassis, for its drain, its loss and its removal.
 *
 * A VM occupies a chassis when the chassis' ledger has an entry of the VM, or when the VM's state names the chassis.
 * Ledger and state usually agree; while a VM comes or goes, one of them changes before the other.
 */
import { type DrainState, endsWithAgent, type Ledger, type VmState } from "@bioxen/contracts";
import type { Aggregates, EventFeed, ReadModel } from "@bioxen/kernel";
import { isDraining, type Occupants } from "../domain/drain.ts";
import type { WaitingVms } from "./waiting-vms.ts";

export interface OccupancyFolds {
  readonly drains: Aggregates<DrainState>;
  readonly ledgers: ReadModel<Ledger>;
  readonly vms: ReadModel<VmState>;
}

export class Occupancy {
  readonly #folds: OccupancyFolds;
  readonly #waiting: WaitingVms;
  #feed: EventFeed | undefined;

  constructor(folds: OccupancyFolds, waiting: WaitingVms) {
    this.#folds = folds;
    this.#waiting = waiting;
  }

  begin(feed: EventFeed): void {
    this.#feed = feed;
  }

  /**
   * Returns the VMs on the chassis, as its drain needs them.
   *
   * A VM on this chassis normally has an entry in the chassis' ledger. So only the VMs with an entry and the VMs that
   * the drain lists are inspected.
   */
  of(chassisId: string): Occupants {
    const here = new Set(Object.keys(this.#folds.ledgers.get(chassisId).entries));
    const vm = (vmId: string) => this.#folds.vms.get(vmId);
    const drain = this.#folds.drains.get(chassisId).state;
    for (const vmId of drain.exists ? Object.keys(drain.vms) : []) {
      const listed = vm(vmId);
      if (listed.exists && listed.chassisId === chassisId) here.add(vmId);
    }
    return { chassisId, here, vm };
  }

  /** Returns every VM on the chassis, in order of id. Inspects all VMs: only for rare commands. */
  allOf(chassisId: string): string[] {
    const held = new Set(Object.keys(this.#folds.ledgers.get(chassisId).entries));
    for (const [vmId, vm] of this.#folds.vms.entries()) {
      if (vm.exists && vm.chassisId === chassisId) held.add(vmId);
    }
    return [...held].sort();
  }

  /**
   * Resolves once the folds of the feed have every event up to the newest event of the chassis' drain. Rejects with
   * `Fault` UNAVAILABLE when that takes too long.
   */
  async caughtUpWithDrain(chassisId: string): Promise<void> {
    const { lastSeq } = await this.#folds.drains.refresh(chassisId);
    await this.#feed?.applied(lastSeq);
  }

  /**
   * Returns true when the folds of the feed are at least as new as the chassis' drain. The folds are older after the
   * drain was read from the log directly. The folds may then lack VMs that the drain names, and these VMs would seem to
   * have left.
   */
  isCaughtUpWithDrain(chassisId: string): boolean {
    return this.#feed === undefined || this.#feed.appliedSeq >= this.#folds.drains.get(chassisId).lastSeq;
  }

  /**
   * Returns how many VMs still name the chassis and are displaced by its loss. The loss displaces VMs whose guests end
   * with their agent.
   */
  evacuating(chassisId: string): number {
    let count = 0;
    for (const vm of this.#folds.vms.values()) {
      if (vm.exists && vm.chassisId === chassisId && endsWithAgent(vm.vmType)) count += 1;
    }
    return count;
  }

  /** Returns how many more VMs may be given a place elsewhere, for each chassis that is being drained. */
  moveSlots(): Map<string, number> {
    const slots = new Map<string, number>();
    for (const [chassisId, { state }] of this.#folds.drains.entries()) {
      if (!isDraining(state)) continue;
      let underWay = 0;
      for (const vmId of Object.keys(this.#folds.ledgers.get(chassisId).entries)) {
        const vm = this.#folds.vms.get(vmId);
        if (!vm.exists || vm.chassisId !== chassisId || vm.migration === null) continue;
        if (vm.migration.target !== null || this.#waiting.hasPlace(vmId, vm)) underWay += 1;
      }
      slots.set(chassisId, Math.max(0, state.parallelism - underWay));
    }
    return slots;
  }
}
