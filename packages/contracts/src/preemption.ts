/**
 * What a VM of lower priority can be asked to give up for one of higher priority, and what it keeps.
 *
 * One rule in two places, like feasibility: the scheduler plans with it, lifecycle decides by it, so that a plan never counts on
 * what a decision would not free. In order of what it costs the victim: *starve* (it lives on its guarantee), *pause* (it
 * stands still and keeps its genome's space and its place), *evict* (it loses its place and waits for another).
 *
 * Only cells are starved or paused: a pool's hosts need not change a running VM's memory, so an `xcpng` VM is only evicted.
 */
import { type Amounts, amountOf, equalAmounts, fits } from "@bioxen/kernel";
import type { LedgerEntry } from "./fold/ledger.ts";
import type { Preemption, Vm } from "./fold/vm.ts";

/** From the mildest to the hardest. */
export const PREEMPTION_MODES = ["starve", "pause", "evict"] as const;
export type PreemptionMode = (typeof PREEMPTION_MODES)[number];

/** What does not flow: a cell that stands still keeps its genome where it is. */
const KEPT_BY_A_PAUSED_CELL: readonly string[] = ["dnaKilobases"];

type Holding = Pick<Vm, "vmType" | "request" | "guarantee" | "allocation">;

/** The least that starving leaves a VM: what it was created with as `guarantee`, never above its request, which is the default. */
export function guaranteeOf({ request, guarantee }: Pick<Vm, "request" | "guarantee">): Amounts {
  return guarantee === null ? request : least(request, guarantee);
}

/** What `mode` leaves of a VM's allocation; undefined where it would free nothing, or cannot be done to this VM. */
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

/** The smaller of both, per resource of `a`. */
function least(a: Amounts, b: Amounts): Amounts {
  return Object.fromEntries(Object.entries(a).map(([name, n]) => [name, Math.min(n, amountOf(b, name))]));
}

/** Is it paused because somebody of higher priority needed what it had? */
export function isHeldByPreemption(vm: Pick<Vm, "preemption">): boolean {
  return vm.preemption?.active === true && vm.preemption.mode === "pause";
}

/**
 * Does the ledger know of the VM's preemption? The VM gives up first and the ledger follows down, so for a moment it holds more
 * than the VM has. Nothing may be granted to the VM in between: it would be taken for what is still to be given back.
 */
export function isFollowedBy(
  { preemption, allocation }: Pick<Vm, "preemption" | "allocation">,
  entry: Pick<LedgerEntry, "amounts" | "amountsSeq">,
): boolean {
  if (preemption === null || !preemption.active || allocation === null) return true;
  return entry.amountsSeq > preemption.seq || fits(entry.amounts, allocation);
}

/** What is left of a preemption that ended: a memory. */
export function over({ preemption }: Pick<Vm, "preemption">): Preemption | null {
  return preemption?.active === true ? { ...preemption, active: false, heldByUser: false } : preemption;
}

/** Pausing and resuming a starved VM does not end that it goes without. */
export function reasonLeft({ preemption }: Pick<Vm, "preemption">): string | null {
  return preemption?.active === true ? preemption.reason : null;
}
