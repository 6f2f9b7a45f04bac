/**
 * Folds the events of a start that takes long, or that the host of the guest refuses.
 */
import type { EventPosition } from "@bioxen/kernel";
import type { START_EVENTS } from "../events/start.ts";
import type { VmEvent } from "../events/vm.ts";
import { endedPreemption } from "../preemption.ts";
import { waitingAgain } from "./vm-placement.ts";
import type { RefusedStart, Vm, VmState } from "./vm-state.ts";

export type StartEvent = Extract<VmEvent, { type: keyof typeof START_EVENTS }>;

export function evolveStart(vm: Vm, event: StartEvent, at: EventPosition): Vm {
  if (event.type === "bioxen.vm.start-progressed.v1") return { ...vm, startProgress: event.data };
  const refusedStart: RefusedStart = { ...event.data, atMs: at.atMs, seq: at.seq };
  const { code, chassisId, reason } = event.data;
  if (code !== "CAPACITY_EXCEEDED") return { ...vm, refusedStart, reason };
  return {
    ...waitingAgain(vm, reason, at),
    refusals: [{ chassisId, code, message: reason }],
    preemption: endedPreemption(vm),
    startProgress: undefined,
    refusedStart,
  };
}

/**
 * Returns the time until which a placed VM keeps its place beyond the expiry of its reservation, epoch ms: its start
 * makes progress, or waits for its next try. Returns 0 when the VM does not keep the place longer.
 */
export function placeKeptUntilMs(vm: VmState): number {
  if (!vm.exists || vm.fence === null) return 0;
  const { refusedStart, startProgress } = vm;
  const own = [refusedStart, startProgress].filter((one) => one?.fence === vm.fence);
  return Math.max(0, ...own.map((one) => one?.placeEndsAtMs ?? 0));
}
