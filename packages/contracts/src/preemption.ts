/**
 * The preemption rule: which resources a VM of lower priority can give up for a VM of higher priority, and which
 * resources it keeps.
 *
 * Like feasibility, the rule has two users: the scheduler plans with it, and lifecycle decides by it. A plan therefore
 * never counts on resources that the decision would not free. The modes, from the cheapest to the most expensive for
 * the victim: *starve* (the VM grows on its guarantee), *pause* (the VM stops growing, but keeps its reservation and
 * the space of its genome), *evict* (the VM loses its reservation and waits for another one).
 *
 * Only cells can be starved or paused. The hosts of a pool cannot always change the memory of a running VM, so an
 * `xcpng` VM can only be evicted.
 */
import { type Amounts, amountOf, equalAmounts, fits } from "@bioxen/kernel";
import type { LedgerEntry } from "./fold/ledger.ts";
import type { Preemption, PreemptionMode, Vm } from "./fold/vm-state.ts";

/** Resources that a paused cell keeps: its genome stays in the chassis. */
const KEPT_BY_A_PAUSED_CELL: readonly string[] = ["dnaKilobases"];

type Holding = Pick<Vm, "vmType" | "request" | "guarantee" | "allocation">;

/** The minimum that starving leaves a VM: its `guarantee`, but never more than its request. Default: its request. */
export function guaranteeOf({ request, guarantee }: Pick<Vm, "request" | "guarantee">): Amounts {
  return guarantee === null ? request : least(request, guarantee);
}

/**
 * The amounts that `mode` leaves of a VM's allocation; undefined when the mode frees nothing or does not apply to this
 * VM.
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

/** Returns the amount of each resource of `a`, limited to its amount in `b`. A resource that `b` lacks counts as 0. */
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
 * True when the ledger entry already reflects the VM's preemption.
 *
 * The VM gives up resources first and the ledger follows, so for a moment the entry holds more than the VM. During that
 * time the VM must not be granted anything: the ledger would confuse the grant with the amounts that it has yet to
 * release.
 */
export function isFollowedBy(
  { preemption, allocation }: Pick<Vm, "preemption" | "allocation">,
  entry: Pick<LedgerEntry, "amounts" | "amountsSeq">,
): boolean {
  if (preemption === null || !preemption.active || allocation === null) return true;
  return entry.amountsSeq > preemption.seq || fits(entry.amounts, allocation);
}

/** Returns the VM's last preemption as no longer active: it remains as a record of what happened. */
export function endedPreemption({ preemption }: Pick<Vm, "preemption">): Preemption | null {
  return preemption?.active === true ? { ...preemption, active: false, heldByUser: false } : preemption;
}

/** Returns the VM's reason after a pause or resume: that of an active preemption, otherwise null. */
export function remainingReason({ preemption }: Pick<Vm, "preemption">): string | null {
  return preemption?.active === true ? preemption.reason : null;
}
