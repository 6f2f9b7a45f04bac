/**
 * Contention for room: capacity that is about to be freed, the VMs that hold capacity on each chassis, and the
 * preempted VMs that want back what they gave up. Computed from the folds for each plan.
 */
import {
  isFollowedBy,
  isForWaiting,
  type Ledger,
  type LedgerEntry,
  type Quota,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import { type Amounts, add, amountOf, fits } from "@bioxen/kernel";
import {
  type ChassisRoom,
  type ContendedRoom,
  type Holder,
  holderOf,
  NO_PENDING_RELEASE,
  type PendingRelease,
  type PreemptedVm,
  QuotaRooms,
} from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";

/**
 * Returns the preempted VMs that could use more room: the ledger has released what they gave up, and no quota blocks
 * them. A VM that is blocked by its quota cannot use any room, so it must not keep room from other VMs.
 */
export function preemptedVms(
  { vms, ledgers }: Pick<Cluster, "vms" | "ledgers">,
  quotas: readonly Quota[],
): PreemptedVm[] {
  const out: PreemptedVm[] = [];
  // Built on first use: a quota can count 100 000 VMs, and mostly no VM is preempted.
  let quotaRooms: QuotaRooms | undefined;
  for (const [vmId, vm] of vms.entries()) {
    if (!vm.exists || vm.preemption?.active !== true) continue;
    const { chassisId, fence, allocation, priority, request } = vm;
    if (chassisId === null || fence === null || allocation === null) continue;
    const entry = ledgers.get(chassisId).entries[vmId];
    if (entry === undefined || !isFollowedBy(vm, entry)) continue;
    quotaRooms ??= new QuotaRooms(quotas);
    if (quotaRooms.misfitOf({ ...vm, vmId, holds: allocation }) !== undefined) continue;
    const { seq, atMs } = vm.preemption;
    const missing = beyond(request, allocation);
    out.push({ vmId, chassisId, priority, fence, preemptedSeq: seq, sinceMs: atMs, missing });
  }
  return out;
}

/**
 * Returns the rooms with two additions: the capacity that is about to be freed on the chassis, and the VMs with a
 * priority below `below` that hold capacity there.
 */
export function contendedRooms(
  { vms, ledgers }: Pick<Cluster, "vms" | "ledgers">,
  rooms: readonly ChassisRoom[],
  below: number,
): ContendedRoom[] {
  const holders = new Map<string, Holder[]>();
  for (const [vmId, vm] of vms.entries()) {
    if (!vm.exists || vm.chassisId === null || vm.priority >= below) continue;
    if (isShrinking(vm, ledgers.get(vm.chassisId).entries[vmId])) continue;
    const holder = holderOf(vmId, vm);
    if (holder === undefined) continue;
    const here = holders.get(vm.chassisId);
    if (here === undefined) holders.set(vm.chassisId, [holder]);
    else here.push(holder);
  }
  return rooms.map((room) => ({
    ...room,
    pendingRelease: pendingReleaseOf(ledgers.get(room.chassisId), (vmId) => vms.get(vmId)),
    holders: holders.get(room.chassisId) ?? [],
  }));
}

/**
 * Returns true between the two events of a resize, while the ledger holds less than the VM has recorded. Part of the VM's
 * room is free already, and would count twice if the VM gave way. The VM's own event plans again.
 */
function isShrinking({ fence, allocation }: Vm, entry: LedgerEntry | undefined): boolean {
  return entry?.fence === fence && allocation !== null && !fits(allocation, entry.amounts);
}

/** Returns what VMs have given up and the ledger has not released yet: whole entries, and shrunk allocations. */
function pendingReleaseOf(ledger: Ledger, vmOf: (vmId: string) => VmState): PendingRelease {
  let released = NO_PENDING_RELEASE;
  for (const entry of Object.values(ledger.entries)) {
    const vm = vmOf(entry.vmId);
    if (isGivenUp(entry, vm)) {
      released = { amounts: add(released.amounts, entry.amounts), places: released.places + 1 };
    } else if (vm.exists && vm.fence === entry.fence && !isFollowedBy(vm, entry)) {
      const amounts = beyond(entry.amounts, vm.allocation ?? {});
      released = { ...released, amounts: add(released.amounts, amounts) };
    }
  }
  return released;
}

/**
 * Returns true when the VM no longer needs this entry. Either the VM has left the reserved place, with or without a new
 * place. Or the VM is pending, and its present wait began after the reservation.
 */
function isGivenUp(entry: LedgerEntry, vm: VmState): boolean {
  if (!vm.exists || vm.incarnation !== entry.incarnation || vm.fence === entry.fence) return false;
  return vm.lastFence >= entry.fence || (vm.state === "pending" && !isForWaiting(vm, entry));
}

/** Returns `all` minus `part` for each resource, never below 0. */
function beyond(all: Amounts, part: Amounts): Amounts {
  const entries = Object.entries(all).map(
    ([name, n]) => [name, Math.max(0, n - amountOf(part, name))] as const,
  );
  return Object.fromEntries(entries);
}
