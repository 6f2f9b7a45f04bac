/**
 * Where VMs press on each other: what is about to be free on every chassis, who holds something there, and who lives
 * with less than he asks for. Read from the picture anew for each plan.
 */
import {
  isFollowedBy,
  isForWaiting,
  type Ledger,
  type LedgerEntry,
  type Quota,
  type VmState,
} from "@bioxen/contracts";
import { type Amounts, add, amountOf } from "@bioxen/kernel";
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
 * VMs that gave something up, whose ledger knows it, and that have not got it back. Whom a quota stands against is
 * served by no room, and keeps none from others.
 */
export function preemptedVms(
  { vms, ledgers }: Pick<Cluster, "vms" | "ledgers">,
  quotas: readonly Quota[],
): PreemptedVm[] {
  const out: PreemptedVm[] = [];
  // Made for the first who asks: a quota can be for 100 000 VMs, and mostly nobody does.
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
 * The rooms with what is about to be free in them, and with those who hold something there, of priorities below
 * `below`.
 */
export function contendedRooms(
  { vms, ledgers }: Pick<Cluster, "vms" | "ledgers">,
  rooms: readonly ChassisRoom[],
  below: number,
): ContendedRoom[] {
  const holders = new Map<string, Holder[]>();
  for (const [vmId, vm] of vms.entries()) {
    if (!vm.exists || vm.chassisId === null || vm.priority >= below) continue;
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
 * The VM has gone on from this place: its story names a newer one, or none, or it began to wait after it was reserved.
 */
function isGivenUp(entry: LedgerEntry, vm: VmState): boolean {
  if (!vm.exists || vm.incarnation !== entry.incarnation || vm.fence === entry.fence) return false;
  return vm.lastFence >= entry.fence || (vm.state === "pending" && !isForWaiting(vm, entry));
}

/** What `all` has more than `part`, per resource. */
function beyond(all: Amounts, part: Amounts): Amounts {
  const entries = Object.entries(all).map(
    ([name, n]) => [name, Math.max(0, n - amountOf(part, name))] as const,
  );
  return Object.fromEntries(entries);
}
