/**
 * The order in which VMs are placed: effective priority (5 is the highest), then age, then id.
 *
 * The effective priority rises by one for each {@link AGEING_STEP_MS} that a VM has waited, up to the highest priority.
 * Among VMs of the highest priority, the oldest goes first. So a stream of new VMs with high priority cannot overtake
 * an old VM forever.
 */
import type { WaitingVm } from "./snapshot.ts";

/** The highest priority a command can give. */
const HIGHEST_PRIORITY = 5;
/**
 * Waiting time that raises the effective priority by one, ms. A plan and a boot take far less time, so that in usual
 * contention the original priority decides. A VM of the lowest priority reaches the highest after four steps, 40 min.
 */
export const AGEING_STEP_MS = 600_000;

/** Returns the effective priority of the VM at `nowMs`, from 1 to 5. */
export function effectivePriority(vm: WaitingVm, nowMs: number): number {
  const steps = Math.max(0, Math.floor((nowMs - vm.waitingSinceMs) / AGEING_STEP_MS));
  return Math.max(vm.priority, Math.min(HIGHEST_PRIORITY, vm.priority + steps));
}

/** Compares VMs of equal priority: the older first, then by id. */
export function byAge(a: WaitingVm, b: WaitingVm): number {
  if (a.waitingSinceMs !== b.waitingSinceMs) return a.waitingSinceMs - b.waitingSinceMs;
  return a.vmId < b.vmId ? -1 : 1;
}

/** Compares VMs by urgency, the most urgent first. Without `nowMs` no VM has aged. */
export function byUrgency(nowMs = Number.NEGATIVE_INFINITY): (a: WaitingVm, b: WaitingVm) => number {
  return (a, b) => effectivePriority(b, nowMs) - effectivePriority(a, nowMs) || byAge(a, b);
}

/** Divides the VMs by effective priority: one list for each, the highest priority first, each list in order of age. */
export function classesOf(waiting: readonly WaitingVm[], nowMs: number): WaitingVm[][] {
  const classes = Map.groupBy(waiting, (vm) => effectivePriority(vm, nowMs));
  return [...classes].sort(([a], [b]) => b - a).map(([, vms]) => vms.sort(byAge));
}
