/**
 * The demand: VMs that want a place and have none. Each event updates the set, so that a plan needs no scan of all VMs.
 *
 * A VM waits while it is pending, or while it must move and has no target. The VM no longer waits once a ledger holds a
 * reservation that was made for this wait.
 */
import {
  isForMove,
  isForWaiting,
  type Ledger,
  LedgersOfVms,
  requiredTerms,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import type { ReadModel } from "@bioxen/kernel";
import { type WaitingVm, waitingVm } from "@bioxen/placement";

export class WaitingVms {
  readonly #vms: ReadModel<VmState>;
  readonly #ledgers: ReadModel<Ledger>;
  readonly #ledgersOf = new LedgersOfVms();
  readonly #waiting = new Map<string, WaitingVm>();

  constructor(vms: ReadModel<VmState>, ledgers: ReadModel<Ledger>) {
    this.#vms = vms;
    this.#ledgers = ledgers;
  }

  /** Finds the waiting VMs in the folds. Call it once the folds have caught up with the log. */
  begin(): void {
    for (const [chassisId, ledger] of this.#ledgers.entries()) this.#ledgersOf.note(chassisId, ledger);
    for (const vmId of this.#vms.ids()) this.noteVm(vmId);
  }

  /**
   * Adds the VM to the waiting VMs, or removes it from them. Call it after each event of the VM, once the fold has
   * applied it.
   */
  noteVm(vmId: string): void {
    const vm = this.#vms.get(vmId);
    const isToMove = vm.exists && vm.migration?.target === null;
    if (vm.exists && (vm.state === "pending" || isToMove) && !this.hasPlace(vmId, vm)) {
      this.#waiting.set(vmId, isToMove ? movingVm(vmId, vm) : waitingVm(vmId, vm));
    } else this.#waiting.delete(vmId);
  }

  /**
   * Calls `noteVm` for each VM whose entry in the ledger has changed. Call this method after each event of the ledger,
   * once the fold has applied that event.
   */
  noteLedger(chassisId: string): void {
    for (const vmId of this.#ledgersOf.note(chassisId, this.#ledgers.get(chassisId))) this.noteVm(vmId);
  }

  /** Returns true when a ledger holds a reservation for the VM's present wait, or for its present move. */
  hasPlace(vmId: string, vm: Vm): boolean {
    return this.ledgersOf(vmId).some((chassisId) => {
      const entry = this.#ledgers.get(chassisId).entries[vmId];
      return entry !== undefined && (isForWaiting(vm, entry) || isForMove(vm, entry));
    });
  }

  /** Returns the chassis whose ledgers have an entry of this VM, in order of id. */
  ledgersOf(vmId: string): readonly string[] {
    return this.#ledgersOf.of(vmId);
  }

  /** Returns the waiting VMs, except VMs whose events cannot be read: such a VM could not take a reservation. */
  all(): WaitingVm[] {
    return [...this.#waiting.values()].filter(({ vmId }) => this.#vms.asideOf(vmId) === undefined);
  }

  /**
   * Returns the waiting VMs as {@link all}, each with the chassis that has refused to start it. `hasRoomSince` tells
   * whether room came to a chassis after an event.
   */
  allAt(nowMs: number, hasRoomSince: (chassisId: string, seq: number) => boolean): WaitingVm[] {
    return this.all().map((waiting) => {
      const vm = this.#vms.get(waiting.vmId);
      const refused = vm.exists ? vm.refusedStart : undefined;
      if (refused?.code !== "CAPACITY_EXCEEDED" || refused.retryAtMs <= nowMs) return waiting;
      const { chassisId, reason, seq, retryAtMs } = refused;
      if (hasRoomSince(chassisId, seq)) return waiting;
      const until = new Date(retryAtMs).toISOString();
      const message = `refused to start it for lack of room: ${reason}; next try when room comes, at the latest at ${until}`;
      return { ...waiting, heldOff: { chassisId, message, untilMs: retryAtMs } };
    });
  }

  /** Returns true when a waiting VM has affinity: a reservation for another VM may then decide where it can go. */
  hasAffinity(): boolean {
    return this.all().some((vm) => requiredTerms(vm).near.length > 0);
  }
}

/**
 * Returns the planner's entry for a VM that must leave its chassis. If the move names a target chassis, the planner may
 * choose only that chassis.
 */
function movingVm(vmId: string, vm: Vm): WaitingVm {
  const { migration, chassisId } = vm;
  const waiting = waitingVm(vmId, vm, migration?.requestedAtMs);
  const placement =
    migration?.toChassisId == null ? vm.placement : { ...vm.placement, chassisId: migration.toChassisId };
  const excludeChassisIds = chassisId === null ? [] : [chassisId];
  return { ...waiting, placement, excludeChassisIds, holds: vm.allocation ?? {} };
}
