/**
 * Selects the events that wake the planner.
 *
 * Two kinds of event wake it: events that may free a place for a waiting VM, and events that invalidate the reasons
 * already reported for a pending VM. For most events the type decides. The table below names every type, so a new type
 * does not compile until it has an entry.
 *
 * Three rules need more than the type. A reservation matters while a waiting VM has affinity. A VM event matters when
 * it changes what preemption can take from that VM. A charge matters when it pushes a waiting VM over its quota.
 *
 * A superfluous wake-up costs one planning round; a missed wake-up leaves a VM waiting forever.
 */
import {
  domainEventOf,
  type LedgerEvent,
  type QuotaEvent,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { type Amounts, equalAmounts, type StoredEvent } from "@bioxen/kernel";
import { canGiveWay, QuotaRooms, type WaitingVm } from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";

/**
 * True for types that always wake the planner: a VM begins or ceases to wait, capacity is freed, or a limit changes.
 * Chassis and drain events are not listed: all of them wake it.
 */
const CHANGES_PLAN: Readonly<Record<(VmEvent | LedgerEvent | QuotaEvent)["type"], boolean>> = {
  "bioxen.vm.created.v1": false,
  "bioxen.vm.start-requested.v1": true,
  "bioxen.vm.deferred.v1": false,
  "bioxen.vm.placed.v1": false,
  "bioxen.vm.started.v1": false,
  "bioxen.vm.guest-restarted.v1": false,
  "bioxen.vm.paused.v1": false,
  "bioxen.vm.resumed.v1": false,
  "bioxen.vm.stop-requested.v1": true,
  // The capacity of a stopped or failed VM is freed by the ledger's release, which is the trigger.
  "bioxen.vm.stopped.v1": false,
  "bioxen.vm.failed.v1": false,
  "bioxen.vm.displaced.v2": true,
  "bioxen.vm.preempted.v1": true,
  "bioxen.vm.reinstated.v1": false,
  // The VM may be waiting for a place on another chassis.
  "bioxen.vm.resized.v1": true,
  "bioxen.vm.environment-changed.v1": false,
  // The VM stops, or waits no longer for the place of its move.
  "bioxen.vm.until-reached.v1": true,
  "bioxen.vm.executed.v1": false,
  "bioxen.vm.destroyed.v1": true,
  // The VM may wait because of the quota of its former owner.
  "bioxen.vm.transferred.v1": true,
  "bioxen.vm.observed.v1": false,
  "bioxen.vm.start-refused.v1": true,
  "bioxen.vm.start-progressed.v1": false,
  "bioxen.vm.checkpointed.v1": false,
  "bioxen.vm.checkpoint-lost.v1": false,
  "bioxen.vm.snapshotted.v1": false,
  "bioxen.vm.snapshot-deleted.v1": false,
  "bioxen.vm.restored.v1": false,
  "bioxen.vm.migration-requested.v1": true,
  "bioxen.vm.migrating.v1": false,
  "bioxen.vm.moved.v1": true,
  "bioxen.vm.migration-cancelled.v1": true,
  "bioxen.ledger.opened.v1": true,
  "bioxen.ledger.capacity-changed.v1": true,
  // Only relevant to VMs with affinity for the VM being placed: see `isTrigger`.
  "bioxen.ledger.reserved.v1": false,
  "bioxen.ledger.committed.v1": false,
  "bioxen.ledger.released.v1": true,
  "bioxen.ledger.expired.v1": true,
  "bioxen.ledger.resized.v1": true,
  "bioxen.ledger.fenced.v1": false,
  "bioxen.ledger.closed.v1": true,
  "bioxen.quota.set.v1": true,
  "bioxen.quota.enforced.v1": true,
  // Only relevant to VMs that this charge pushes over their quota: see `isTrigger`.
  "bioxen.quota.charged.v1": false,
  "bioxen.quota.settled.v1": true,
};

/** What preemption can take from a VM, and the reservation it would be taken from. */
type VictimHolding = Pick<Vm, "fence" | "allocation">;

export class ReplanTriggers {
  readonly #cluster: Pick<Cluster, "vms" | "quotaStates" | "waiting" | "hasAffinityWaiters">;
  /** By VM id, the holding after the VM's last event. A VM has no entry if preemption could take nothing from it. */
  readonly #holdings = new Map<string, VictimHolding>();

  constructor(cluster: Pick<Cluster, "vms" | "quotaStates" | "waiting" | "hasAffinityWaiters">) {
    this.#cluster = cluster;
  }

  /** Records the present holding of each VM. Call it once the folds have caught up with the log. */
  begin(): void {
    for (const [vmId, vm] of this.#cluster.vms.entries()) this.#holdingChanged(vmId, vm);
  }

  /**
   * Returns true when the plan may change with this event. Call it with every event, after the folds have applied it.
   *
   * `topDeferred` is the highest priority among the VMs without a place, 0 when every VM has one.
   */
  isTrigger({ envelope }: StoredEvent, topDeferred: number): boolean {
    const event = domainEventOf(envelope);
    const { kind, id, type } = event;
    const isVictim = kind === "vm" && this.#isChangedVictim(id, topDeferred);
    if (kind === "chassis" || kind === "drain" || isVictim) return true;
    if (type === "bioxen.ledger.reserved.v1") return this.#cluster.hasAffinityWaiters();
    if (type === "bioxen.quota.charged.v1") return this.#putsOverQuota(id, event.data);
    return (CHANGES_PLAN as Readonly<Record<string, boolean>>)[type] === true;
  }

  /**
   * Returns true when the VM has a lower priority than `topDeferred`, and the resources that preemption can take from
   * the VM have changed.
   */
  #isChangedVictim(vmId: string, topDeferred: number): boolean {
    const vm = this.#cluster.vms.get(vmId);
    return this.#holdingChanged(vmId, vm) && vm.exists && vm.priority < topDeferred;
  }

  /**
   * Records what the VM holds now. Returns true when preemption can take resources from the VM, and these resources or
   * their reservation have changed.
   */
  #holdingChanged(vmId: string, vm: VmState): boolean {
    if (!vm.exists || !canGiveWay(vm)) {
      this.#holdings.delete(vmId);
      return false;
    }
    const { fence, allocation } = vm;
    const before = this.#holdings.get(vmId);
    if (before?.fence === fence && equalAmounts(before.allocation ?? NOTHING, allocation ?? NOTHING))
      return false;
    this.#holdings.set(vmId, { fence, allocation });
    return true;
  }

  /** Returns true when these charges put a pending VM over this quota, and its last reported reasons name no quota. */
  #putsOverQuota(quotaId: string, { charges }: Charged): boolean {
    const quota = this.#cluster.quotaStates.get(quotaId);
    if (!quota.exists) return false;
    const room = new QuotaRooms([quota]);
    const charged = new Set(charges.map(({ vmId }) => vmId));
    const isOver = (vm: WaitingVm) => room.misfitOf(vm) !== undefined;
    return this.#cluster
      .waiting()
      .some((vm) => !charged.has(vm.vmId) && isOver(vm) && !isQuotaReported(this.#cluster.vms.get(vm.vmId)));
  }
}

const NOTHING: Amounts = {};

type Charged = Extract<QuotaEvent, { type: "bioxen.quota.charged.v1" }>["data"];

function isQuotaReported(vm: VmState): boolean {
  if (!vm.exists) return false;
  const { refusals } = vm.migration ?? vm;
  return refusals.some(({ code }) => code === "QUOTA_EXCEEDED");
}
