/**
 * Who is served first: priority (5 high), raised with the time waited, then age, then id.
 *
 * Ageing is what keeps a stream of urgent newcomers from starving the rest: after {@link AGEING_STEP_MS} of waiting a VM counts as
 * one priority higher, up to the highest; there the older goes first, so nobody is passed for ever.
 */
import type { WaitingVm } from "./snapshot.ts";

/** The highest priority a command can give. */
const HIGHEST_PRIORITY = 5;
/**
 * Waiting this long counts as one priority, ms. Far above what a plan and a boot take, so that priority decides in every usual
 * contention; the lowest is served as the highest after four steps, 40 min.
 */
export const AGEING_STEP_MS = 600_000;

/** 1…5, what its priority is worth at `nowMs`. */
export function effectivePriority(vm: WaitingVm, nowMs: number): number {
  const steps = Math.max(0, Math.floor((nowMs - vm.waitingSinceMs) / AGEING_STEP_MS));
  return Math.max(vm.priority, Math.min(HIGHEST_PRIORITY, vm.priority + steps));
}

/** Age, then id: the order among equal priorities. */
export function byAge(a: WaitingVm, b: WaitingVm): number {
  if (a.waitingSinceMs !== b.waitingSinceMs) return a.waitingSinceMs - b.waitingSinceMs;
  return a.vmId < b.vmId ? -1 : 1;
}

/** Most urgent first. Without an instant nobody has aged. */
export function byUrgency(nowMs = Number.NEGATIVE_INFINITY): (a: WaitingVm, b: WaitingVm) => number {
  return (a, b) => effectivePriority(b, nowMs) - effectivePriority(a, nowMs) || byAge(a, b);
}

/** Those of equal effective priority together, the highest first, each in order of age. */
export function classesOf(waiting: readonly WaitingVm[], nowMs: number): WaitingVm[][] {
  const classes = Map.groupBy(waiting, (vm) => effectivePriority(vm, nowMs));
  return [...classes].sort(([a], [b]) => b - a).map(([, vms]) => vms.sort(byAge));
}
