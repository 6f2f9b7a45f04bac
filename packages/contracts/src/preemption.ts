/**
 * The preemption rule: which resources a VM of lower priority can give up for a VM of higher priority, and which
 * resources it keeps.
 *
 * The scheduler plans with this rule, and lifecycle decides by it. A plan therefore never counts on resources that the
 * decision would not free. The modes, from the mildest to the hardest for the preempted VM:
 *
 * - *starve*: the VM grows on its guarantee.
 * - *pause*: the VM stops growing, but keeps its reservation and the space of its genome.
 * - *evict*: the VM loses its reservation and waits for another one.
 *
 * Only cells can be starved or paused. The hosts of a pool cannot always change the memory of a running VM, so an
 * `xcpng` VM can only be evicted.
 */
import { type Amounts, amountOf, equalAmounts, fits } from "@bioxen/kernel";
import type { LedgerEntry } from "./fold/ledger.ts";
import type { Preemption, PreemptionMode, Vm } from "./fold/vm-state.ts";

/** Names of the resources that a paused cell keeps: only the space of its genome, which stays in the chassis. */
const KEPT_BY_A_PAUSED_CELL: readonly string[] = ["dnaKilobases"];

type Holding = Pick<Vm, "vmType" | "request" | "guarantee" | "allocation">;

/**
 * Returns the minimum that starving leaves a VM: its `guarantee`, limited to its request. Without a guarantee, the
 * minimum is the whole request.
 */
export function guaranteeOf({ request, guarantee }: Pick<Vm, "request" | "guarantee">): Amounts {
  return guarantee === null ? request : least(request, guarantee);
}

/**
 * Returns the part of the VM's allocation that the VM keeps when it is preempted with `mode`. Undefined when the
 * preemption would free nothing, or when the mode does not apply to this VM.
 */
export function keptUnder(mode: PreemptionMode, vm: Holding): Amounts | undefined {
  if (vm.allocation === null) return undefined;
  if (mode === "evict") return {};
  if (vm.vmType !== "basic") return undefined;
  const kept = mode === "starve" ? least(vm.allocation, guaranteeOf(vm)) : stillNeeded(vm.allocation);
  return equalAmounts(kept, vm.allocation) ? undefined : kept;
}

function stillNeeded(allocation: Amounts): Amounts {
  const entries = Object.entries(allocation);
  return Object.fromEntries(entries.map(([name, n]) => [name, KEPT_BY_A_PAUSED_CELL.includes(name) ? n : 0]));
}

/** Returns the amount of each resource of `a`, limited to the amount in `b`. A resource that `b` lacks counts as 0. */
function least(a: Amounts, b: Amounts): Amounts {
  return Object.fromEntries(Object.entries(a).map(([name, n]) => [name, Math.min(n, amountOf(b, name))]));
}

/** True while the VM is paused because a VM of higher priority needed its resources. */
export function isHeldByPreemption(vm: Pick<Vm, "preemption">): boolean {
  return vm.preemption?.active === true && vm.preemption.mode === "pause";
}

/** True while the VM is paused by its user, also when preemption pauses it at the same time. */
export function isPausedByUser(vm: Pick<Vm, "preemption" | "state">): boolean {
  return isHeldByPreemption(vm) ? vm.preemption?.heldByUser === true : vm.state === "paused";
}

/**
 * Returns true when the ledger entry already reflects the VM's preemption.
 *
 * The VM gives up resources first, and its ledger releases these resources afterwards. Until that release, the entry
 * holds more than the VM. The VM must not get other resources before the release: the ledger would confuse them with
 * the resources that it still has to release.
 */
export function isFollowedBy(
  { preemption, allocation }: Pick<Vm, "preemption" | "allocation">,
  entry: Pick<LedgerEntry, "amounts" | "amountsSeq">,
): boolean {
  if (preemption === null || !preemption.active || allocation === null) return true;
  return entry.amountsSeq > preemption.seq || fits(entry.amounts, allocation);
}

/** Returns the VM's last preemption, marked as no longer active. It stays in the state as a record of what happened. */
export function endedPreemption({ preemption }: Pick<Vm, "preemption">): Preemption | null {
  return preemption?.active === true ? { ...preemption, active: false, heldByUser: false } : preemption;
}

/** Returns the `reason` that the VM has after a pause or resume: the reason of an active preemption, otherwise null. */
export function remainingReason({ preemption }: Pick<Vm, "preemption">): string | null {
  return preemption?.active === true ? preemption.reason : null;
}
