/**
 * Which events the planner is woken by: what may give somebody a place, and what makes untrue what somebody who waits was told.
 *
 * Most of it is told by the type of an event, and the table has every type there is: a new one does not compile before it is
 * decided on. What hangs on more than the type is compared as it was with as it is: what a VM could be made to give up, and whom
 * a charge puts over a quota. One event too many costs a look at the plan, one too few a VM that waits for ever.
 */
import type { LedgerEvent, QuotaEvent, Vm, VmEvent, VmState } from "@bioxen/contracts";
import { type Amounts, equalAmounts, type StoredEvent } from "@bioxen/kernel";
import { canGiveWay, QuotaRooms, type WaitingVm } from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";

/** Somebody new waits or waits no more, something was freed, or a limit is another. Of a chassis or a drain every event counts. */
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
  // What these two leave comes with the ledger's release.
  "bioxen.vm.stopped.v1": false,
  "bioxen.vm.failed.v1": false,
  "bioxen.vm.displaced.v2": true,
  "bioxen.vm.preempted.v1": true,
  "bioxen.vm.reinstated.v1": false,
  // It may be one that waits for a place elsewhere.
  "bioxen.vm.resized.v1": true,
  "bioxen.vm.destroyed.v1": true,
  "bioxen.vm.observed.v1": false,
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
  // Helps nobody but those who are to be with whom it is taken for.
  "bioxen.ledger.reserved.v1": false,
  "bioxen.ledger.committed.v1": false,
  "bioxen.ledger.released.v1": true,
  "bioxen.ledger.expired.v1": true,
  "bioxen.ledger.resized.v1": true,
  "bioxen.ledger.fenced.v1": false,
  "bioxen.ledger.closed.v1": true,
  "bioxen.quota.set.v1": true,
  "bioxen.quota.enforced.v1": true,
  // News only for whom it puts over the quota.
  "bioxen.quota.charged.v1": false,
  "bioxen.quota.settled.v1": true,
};

type Holding = Pick<Vm, "fence" | "allocation">;

export class PlanNews {
  readonly #cluster: Pick<Cluster, "vms" | "quotaStates" | "waiting" | "doAnyFollow">;
  /** Of every VM that can be made to give way: what it had after its last event. */
  readonly #holdings = new Map<string, Holding>();

  constructor(cluster: Pick<Cluster, "vms" | "quotaStates" | "waiting" | "doAnyFollow">) {
    this.#cluster = cluster;
  }

  /** The folds have caught up. */
  begin(): void {
    for (const [vmId, vm] of this.#cluster.vms.entries()) this.#canGiveOther(vmId, vm);
  }

  /** To be told every event, after the folds. `topDeferred`: the highest priority that has no place; 0: nobody waits for one. */
  isNews({ envelope: { subject, type, data } }: StoredEvent, topDeferred: number): boolean {
    const slash = subject.indexOf("/");
    const [kind, id] = [subject.slice(0, slash), subject.slice(slash + 1)];
    const isVictim = kind === "vm" && this.#isOtherVictim(id, topDeferred);
    if (kind === "chassis" || kind === "drain" || isVictim) return true;
    if (type === "bioxen.ledger.reserved.v1") return this.#cluster.doAnyFollow();
    if (type === "bioxen.quota.charged.v1") return this.#putsOverQuota(id, data as Charged);
    return (CHANGES_PLAN as Readonly<Record<string, boolean>>)[type] === true;
  }

  /** Below that priority, and able to give what it could not before. */
  #isOtherVictim(vmId: string, topDeferred: number): boolean {
    const vm = this.#cluster.vms.get(vmId);
    return this.#canGiveOther(vmId, vm) && vm.exists && vm.priority < topDeferred;
  }

  #canGiveOther(vmId: string, vm: VmState): boolean {
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

  /** Somebody else waits for room under this quota now, and was told something else. */
  #putsOverQuota(quotaId: string, { charges }: Charged): boolean {
    const quota = this.#cluster.quotaStates.get(quotaId);
    if (!quota.exists) return false;
    const room = new QuotaRooms([quota]);
    const charged = new Set(charges.map(({ vmId }) => vmId));
    const isOver = (vm: WaitingVm) => room.misfitOf(vm) !== undefined;
    return this.#cluster
      .waiting()
      .some((vm) => !charged.has(vm.vmId) && isOver(vm) && !isToldOfQuota(this.#cluster.vms.get(vm.vmId)));
  }
}

const NOTHING: Amounts = {};

type Charged = Extract<QuotaEvent, { type: "bioxen.quota.charged.v1" }>["data"];

function isToldOfQuota(vm: VmState): boolean {
  if (!vm.exists) return false;
  const { refusals } = vm.migration ?? vm;
  return refusals.some(({ code }) => code === "QUOTA_EXCEEDED");
}
